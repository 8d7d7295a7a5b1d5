"""Fisher vectors, their vocabulary and linear SVMs against slow formulas and scikit-image."""

import numpy as np
import pytest

from videolstm_jax.shallow import linear_svm
from videolstm_jax.shallow.fisher import fisher_sums, fisher_vector, no_fisher_sums
from videolstm_jax.shallow.linear_svm import Labelled, svm_scores
from videolstm_jax.shallow.vocabulary import Vocabulary, fit_vocabulary

sklearn_mixture = pytest.importorskip("sklearn.mixture", reason="needs scikit-learn")


def vocabulary_of(dimensions=3, components=4, seed=0):
    r = np.random.default_rng(seed)
    weights = r.dirichlet(np.full(components, 5.0))
    return Vocabulary(
        r.normal(size=2 * dimensions),
        np.linalg.qr(r.normal(size=(2 * dimensions, dimensions)))[0],
        weights,
        r.normal(size=(components, dimensions)),
        r.uniform(0.3, 2, (components, dimensions)),
    )


def slow_fisher_vector(v, rows):
    """The formulas of Perronnin et al. row by row, without any normalisation."""
    components, dimensions = v.means.shape
    of_means, of_variances = np.zeros((2, components, dimensions))
    for row in rows:
        x = (row - v.centre) @ v.axes
        density = np.zeros(components)
        for k in range(components):
            exponent = -((x - v.means[k]) ** 2 / v.variances[k]).sum() / 2
            scale = np.sqrt(np.prod(2 * np.pi * v.variances[k]))
            density[k] = v.weights[k] * np.exp(exponent) / scale
        share = density / density.sum()
        for k in range(components):
            z = (x - v.means[k]) / np.sqrt(v.variances[k])
            of_means[k] += share[k] * z / np.sqrt(v.weights[k])
            of_variances[k] += share[k] * (z**2 - 1) / np.sqrt(2 * v.weights[k])
    return np.concatenate([of_means, of_variances]).ravel() / len(rows)


def normalised(vector):
    vector = np.sign(vector) * np.sqrt(np.abs(vector))
    return vector / np.linalg.norm(vector)


def test_a_fisher_vector_by_the_slow_formula():
    vocabulary = vocabulary_of()
    rows = np.random.default_rng(1).normal(size=(30, 6))
    vector = fisher_vector(vocabulary, fisher_sums(vocabulary, rows))
    assert vector.shape == (2 * 4 * 3,) and vector.dtype == np.float32
    np.testing.assert_allclose(vector, normalised(slow_fisher_vector(vocabulary, rows)), atol=1e-5)
    # In blocks, as files are read.
    sums = no_fisher_sums(vocabulary)
    for block in np.array_split(rows, 4):
        sums = sums.plus(fisher_sums(vocabulary, block))
    np.testing.assert_allclose(fisher_vector(vocabulary, sums), vector, atol=1e-6)


def test_a_fisher_vector_by_scikit_image():
    feature = pytest.importorskip("skimage.feature", reason="needs scikit-image")
    rows = np.random.default_rng(2).normal(size=(200, 6))
    model = sklearn_mixture.GaussianMixture(3, covariance_type="diag", random_state=0).fit(rows)
    vocabulary = Vocabulary(
        np.zeros(6), np.eye(6), model.weights_, model.means_, model.covariances_
    )
    expected = feature.fisher_vector(rows, model, improved=False)
    # Theirs has the gradient of the K weights first, which the paper leaves out, and that of the
    # variances with the other sign.
    expected = np.concatenate([expected[3:21], -expected[21:]])
    vector = fisher_vector(vocabulary, fisher_sums(vocabulary, rows))
    np.testing.assert_allclose(vector, normalised(expected), atol=1e-5)


def test_no_rows_give_zeros():
    vocabulary = vocabulary_of()
    assert not fisher_vector(vocabulary, no_fisher_sums(vocabulary)).any()


def test_a_vocabulary_finds_the_clusters_in_half_of_the_numbers():
    r = np.random.default_rng(0)
    centres = np.array([[4.0, 0, 0, 0], [-4, 3, 0, 0]])
    samples = np.repeat(centres, 200, 0) + r.normal(0, [1, 1, 0.1, 0.1], (400, 4))
    vocabulary = fit_vocabulary(samples, 2, seed=0)
    assert vocabulary.axes.shape == (4, 2)
    # The axes are those of the two numbers with variance.
    assert np.abs(vocabulary.axes[2:]).max() < 0.05
    means = vocabulary.means @ vocabulary.axes.T + vocabulary.centre
    nearest = np.linalg.norm(means[:, None] - centres, axis=-1).min(0)
    assert nearest.max() < 0.3
    np.testing.assert_allclose(vocabulary.weights, 0.5, atol=0.01)


def test_little_data_gives_fewer_gaussians():
    samples = np.random.default_rng(0).normal(size=(120, 4))
    assert len(fit_vocabulary(samples, 256, seed=0).weights) == 2
    assert len(fit_vocabulary(samples[:2], 256, seed=0).weights) == 1


# ---- linear SVMs ---------------------------------------------------------------------------------


def clusters(count, features, seed=0, spread=0.3):
    """Videos of three classes around three corners, of five groups."""
    r = np.random.default_rng(seed)
    label = np.arange(count) % 3
    corners = np.eye(3, features)
    values = corners[label] + r.normal(0, spread / np.sqrt(features), (count, features))
    return Labelled(values, label, [f"g{number // 3 % 5}" for number in range(count)])


@pytest.mark.parametrize("features", [4, 400])
def test_scores_are_in_the_order_of_the_margins(features):
    train, test = clusters(30, features), clusters(12, features, seed=1)
    scores = svm_scores(train, test.features, 3, cost=100.0, seed=0)
    assert (scores.probabilities.argmax(1) == test.label).all()
    np.testing.assert_allclose(scores.probabilities.sum(1), 1)
    # The SVM of each class by itself, on the features as they are.
    svm = pytest.importorskip("sklearn.svm")
    margins = np.empty((12, 3))
    for number in range(3):
        model = svm.LinearSVC(C=100.0, dual="auto", random_state=0, max_iter=20_000)
        model.fit(train.features, train.label == number)
        margins[:, number] = model.decision_function(test.features)
    # A softmax knows margins but for one term a video.
    terms = np.log(scores.probabilities) * scores.temperature - margins
    np.testing.assert_allclose(terms, terms.mean(1, keepdims=True) + np.zeros(3), atol=0.02)


def test_two_classes_have_two_columns():
    train = clusters(30, 4)
    two = train._replace(label=np.minimum(train.label, 1))
    scores = svm_scores(two, train.features, 2, cost=1.0, seed=0)
    assert scores.probabilities.shape == (30, 2)
    assert (scores.probabilities.argmax(1) == two.label).mean() > 0.9


def test_a_class_without_training_videos_comes_last():
    train, test = clusters(30, 4), clusters(9, 4, seed=1)
    scores = svm_scores(train, test.features, 4, cost=100.0, seed=0)
    assert (scores.probabilities.argmax(1) == test.label).all()
    assert (scores.probabilities[:, 3] < 0.2).all()


def test_hard_videos_have_a_higher_temperature():
    easy, hard = clusters(60, 4, spread=0.1), clusters(60, 4, spread=2.5)
    temperatures = []
    for train in (easy, hard):
        temperatures.append(svm_scores(train, train.features, 3, cost=1.0, seed=0).temperature)
    assert temperatures[0] < temperatures[1]
    # One group cannot be held out.
    alone = easy._replace(group=["g"] * 60)
    assert svm_scores(alone, easy.features, 3, cost=1.0, seed=0).temperature == 1


def test_features_in_the_span_of_the_training_videos():
    train, test = clusters(10, 50).features, clusters(6, 50, seed=1).features
    inside, outside = linear_svm._coordinates(train, test)
    assert inside.shape == (10, 10)
    np.testing.assert_allclose(inside @ inside.T, train @ train.T, atol=1e-9)
    np.testing.assert_allclose(outside @ inside.T, test @ train.T, atol=1e-9)
