"""Made the files beside it, once, with PyTorch 2.15 and safetensors 0.8, which no test needs.

A narrow VGG in their formats, and tensors that share their numbers. Run where torch, numpy and
safetensors are.
"""

import collections

import numpy as np
import safetensors.torch
import torch
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def narrow():
    """Torchvision's layer names: widths 4, 6, depths 1, 2, dense 7, 5, 3 classes, 8 x 8 pixels."""
    features = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    classifier = nn.Sequential(
        nn.Linear(24, 7),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(7, 5),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(5, 3),
    )
    return nn.ModuleDict({"features": features, "classifier": classifier}).eval()


def main():
    torch.manual_seed(0)
    net = narrow()
    state = collections.OrderedDict(net.state_dict())
    torch.save(state, "narrow_zip.pth")
    torch.save(state, "narrow_legacy.pth", _use_new_zipfile_serialization=False)
    timm = {
        "classifier.0": "pre_logits.fc1",
        "classifier.3": "pre_logits.fc2",
        "classifier.6": "head.fc",
    }
    shapes = {"pre_logits.fc1.weight": (7, 6, 2, 2), "pre_logits.fc2.weight": (5, 7, 1, 1)}
    renamed = {}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        name = f"{timm.get(layer, layer)}.{part}"
        renamed[name] = tensor.reshape(shapes.get(name, tensor.shape)).contiguous()
    safetensors.torch.save_file(renamed, "narrow_timm.safetensors", metadata={"format": "pt"})
    images = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    x = ((images / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)
    with torch.no_grad():
        pool5 = net["features"](x)
        fc7 = net["classifier"][:5](pool5.flatten(1))
        logits = net["classifier"][6](fc7)
    np.savez(
        "narrow_taps.npz", images=images, pool5=pool5.permute(0, 2, 3, 1), fc7=fc7, logits=logits
    )

    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    views = {
        "whole": whole,
        "turned": whole.T,
        "part": whole[1:3, ::2],
        "half": whole.half(),
        "double": whole.double(),
        "bfloat16": (whole / 3).bfloat16(),
        "long": torch.arange(5),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(whole[0] + 0.5),
    }
    torch.save({"state_dict": views}, "views_zip.pth")
    torch.save({"state_dict": views}, "views_legacy.pth", _use_new_zipfile_serialization=False)
    plain = {name: tensor.detach().contiguous().clone() for name, tensor in views.items()}
    safetensors.torch.save_file(plain, "views.safetensors")
    np.savez(
        "views.npz", **{name: tensor.detach().float().numpy() for name, tensor in views.items()}
    )
    torch.save(nn.Linear(2, 2), "module_zip.pth")


if __name__ == "__main__":
    main()
