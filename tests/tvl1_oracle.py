"""TV-L1 and its variant for edges a second time, in numpy and float64, pixel by pixel."""

import numpy as np
from scipy import ndimage


def flow(first, second, settings):
    """The flow of one pair, [H, W] twice to [H, W, 2], with the constants of a TVL1Settings."""
    pictures = [blurred(picture.astype(float), settings.blur) for picture in (first, second)]
    sizes = [first.shape]
    for k in range(1, settings.scales):
        size = tuple(round(side * settings.step**k) for side in first.shape)
        if min(size) >= settings.smallest:
            sizes.append(size)
    levels = [pictures]
    for size in sizes[1:]:
        levels.append([resized(picture, size) for picture in levels[-1]])
    u, v = np.zeros((2, *sizes[-1]))
    for k in range(len(sizes) - 1, -1, -1):
        (height, width), (before_height, before_width) = sizes[k], u.shape
        u = resized(u, sizes[k]) * width / before_width
        v = resized(v, sizes[k]) * height / before_height
        weight = settings.weight * settings.weight_factor**k
        u, v = refined(*levels[k], u, v, weight, settings)
    return np.stack([median(u), median(v)], -1)


def at(picture, y, x):
    """The pixel at whole y, x, or the nearest one inside."""
    height, width = picture.shape
    return picture[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


def filtered(picture, taps):
    """A filter {(dy, dx): weight}."""
    result = np.zeros(picture.shape)
    for y, x in np.ndindex(picture.shape):
        for (dy, dx), weight in taps.items():
            result[y, x] += weight * at(picture, y + dy, x + dx)
    return result


def blurred(picture, share):
    taps = {-1: share, 0: 1 - 2 * share, 1: share}
    along_rows = filtered(picture, {(0, d): weight for d, weight in taps.items()})
    return filtered(along_rows, {(d, 0): weight for d, weight in taps.items()})


def resized(picture, size):
    """Linear, with a triangle that is as wide as a pixel of the smaller picture."""
    for axis in (0, 1):
        ratio = picture.shape[axis] / size[axis]
        matrix = np.zeros((size[axis], picture.shape[axis]))
        for i, j in np.ndindex(matrix.shape):
            centre = (i + 0.5) * ratio - 0.5
            matrix[i, j] = max(0, 1 - abs(j - centre) / max(ratio, 1))
        matrix /= matrix.sum(1, keepdims=True)
        picture = np.moveaxis(np.tensordot(matrix, picture, (1, axis)), 0, axis)
    return picture


def gradient(picture, five_points):
    """Along x and along y."""
    taps = {-1: -1 / 2, 1: 1 / 2}
    if five_points:
        taps = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
    x = filtered(picture, {(0, d): weight for d, weight in taps.items()})
    return x, filtered(picture, {(d, 0): weight for d, weight in taps.items()})


def penalty(picture, rate):
    """Returns g = max(exp(-rate (|gradient| / 255)^.8), .05) behind a Gaussian of .7 pixels."""
    if not rate:
        return np.ones(picture.shape)
    weights = {d: np.exp(-(d**2) / (2 * 0.7**2)) for d in range(-2, 3)}
    total = sum(weights.values())
    taps = {}
    for dy, dx in np.ndindex(5, 5):
        taps[dy - 2, dx - 2] = weights[dy - 2] * weights[dx - 2] / total**2
    x, y = gradient(filtered(picture, taps), five_points=True)
    return np.maximum(np.exp(-rate * (np.hypot(x, y) / 255) ** 0.8), 0.05)


def median(picture):
    return ndimage.median_filter(picture, 3, mode="nearest")


def sampled(picture, y, x, kernel, reach):
    """The picture at any place, by the kernel of one axis and how far it reaches."""
    top, left = int(np.floor(y)), int(np.floor(x))
    value = 0.0
    for row in range(top - reach + 1, top + reach + 1):
        for column in range(left - reach + 1, left + reach + 1):
            value += kernel(y - row) * kernel(x - column) * at(picture, row, column)
    return value


def linear(t):
    return max(0, 1 - abs(t))


def catmull_rom(t):
    """The cubic of Keys with a = -1/2."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    if t < 2:
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return 0.0


def refined(a, b, u, v, weight, settings):
    """One scale: warps, and the dual scheme after each."""
    g = penalty(a, settings.edge_rate)
    slopes_a = gradient(a, settings.five_points)
    slopes_b = gradient(b, settings.five_points)
    duals = np.zeros((2, 2, *a.shape))
    for _ in range(settings.warps):
        flow = [median(u), median(v)]
        rho, slopes = linearised(a, b, slopes_a, slopes_b, *flow, settings.first_share)
        for _ in range(settings.iterations):
            flow = thresholded(rho, slopes, flow, weight * settings.theta)
            for component in (0, 1):
                flow[component] = flow[component] + settings.theta * divergence(*duals[component])
                duals[component] = ascended(flow[component], duals[component], g, settings)
        u, v = flow
    return u, v


def linearised(a, b, slopes_a, slopes_b, u, v, share):
    """Returns rho and its slopes: rho + slopes (flow) is the difference of brightness."""
    height, width = a.shape
    rho, slopes = np.zeros(a.shape), np.zeros((2, *a.shape))
    for y, x in np.ndindex(a.shape):
        there_y, there_x = y + v[y, x], x + u[y, x]
        inside = 0 <= there_y <= height - 1 and 0 <= there_x <= width - 1
        there_y, there_x = np.clip(there_y, 0, height - 1), np.clip(there_x, 0, width - 1)
        if inside:
            for axis in (0, 1):
                second = sampled(slopes_b[axis], there_y, there_x, linear, 1)
                slopes[axis, y, x] = share * slopes_a[axis][y, x] + (1 - share) * second
        moved = sampled(b, there_y, there_x, catmull_rom, 2)
        rho[y, x] = moved - a[y, x] - slopes[0, y, x] * u[y, x] - slopes[1, y, x] * v[y, x]
    return rho, slopes


def thresholded(rho, slopes, flow, most):
    """The three cases of Zach et al. (2007), Eq. 15; `most` is lambda theta."""
    moved = [flow[0].copy(), flow[1].copy()]
    for y, x in np.ndindex(rho.shape):
        slope = slopes[:, y, x]
        square = slope @ slope
        if not square:
            continue
        difference = rho[y, x] + slope[0] * flow[0][y, x] + slope[1] * flow[1][y, x]
        if difference < -most * square:
            change = most * slope
        elif difference > most * square:
            change = -most * slope
        else:
            change = -difference * slope / square
        moved[0][y, x] += change[0]
        moved[1][y, x] += change[1]
    return moved


def divergence(px, py):
    """From backward differences, zero before the first pixel."""
    return np.diff(px, axis=1, prepend=0) + np.diff(py, axis=0, prepend=0)


def ascended(u, dual, g, settings):
    """One step of the dual of one component, with a penalty g of the flow's gradient."""
    dx = np.diff(u, axis=1, append=u[:, -1:])
    dy = np.diff(u, axis=0, append=u[-1:])
    rate = settings.tau / settings.theta
    length = np.sqrt(dx**2 + dy**2 + settings.slack**2)
    return (dual + rate * np.stack([dx, dy])) / (1 + rate * length / g)
