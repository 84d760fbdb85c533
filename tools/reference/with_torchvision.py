"""Import it before transformers: makes torchvision importable beside a torch without CUDA, too.

The wheel of torchvision that registries hold is built for CUDA. Beside another torch its compiled operators don't load and can't
be registered; resizing needs none of them."""
import torch

register_fake, torch.library.register_fake = torch.library.register_fake, lambda *_, **__: lambda function: function
import torchvision  # noqa: E402,F401
from torchvision.transforms.v2 import functional  # noqa: E402,F401

torch.library.register_fake = register_fake
