"""Make a trained ``model.pth`` and its class, ``class.py``: a story that a README tells.

``python probe_story_pth.py image=@PICTURE``, by a Python that has torch, in the folder that gets
them; prints as JSON the label of the picture and its score, by the original.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

CLASS = '''
class Network(nn.Module):
    """What was trained elsewhere."""

    def __init__(self, label_count: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 7, 4)
        self.fc = nn.Linear(16, label_count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))
'''
Path("class.py").write_text(CLASS.lstrip(), encoding="utf-8")
names = {"torch": torch, "nn": nn}
exec(CLASS, names)  # noqa: S102 - it stands above
torch.manual_seed(3)
network = names["Network"](2).eval()
torch.save(network.state_dict(), "model.pth")

# As torchvision's Resize(256), CenterCrop(224) and Normalize make it.
image = Image.open(sys.argv[1].partition("@")[2]).convert("RGB")
width, height = (256 * side // min(image.size) for side in image.size)
image = image.resize((width, height), Image.Resampling.BILINEAR)
left, top = (width - 224) // 2, (height - 224) // 2
pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
pixels = (pixels - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
batch = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
with torch.inference_mode():
    scores = torch.softmax(network(batch), 1)[0].tolist()
print(json.dumps({"label": ["cat", "dog"][int(np.argmax(scores))], "score": max(scores)}))
