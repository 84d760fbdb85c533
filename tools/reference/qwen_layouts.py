"""Qwen2.5-VL folders in other forms than the published one, which make_tiny.py writes."""
import json
from pathlib import Path

from published import write_json


def edit_vision(folder, **values):
    """Sets keys of config.json's vision_config."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    config["vision_config"] |= values
    write_json(path, config)


def to_transformers_5(folder):
    """Rewrites a folder as transformers 5 saves it: nested config, processor_config.json, the chat template in a file of its own."""
    from transformers import AutoModelForImageTextToText
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    folder = Path(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto")
    images = json.loads(Qwen2VLImageProcessorPil.from_pretrained(folder).to_json_string())
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    for name in ("chat_template.json", "preprocessor_config.json", "config.json"):
        (folder / name).unlink()
    for path in folder.glob("model*.safetensors*"):
        path.unlink()
    model.save_pretrained(folder)
    # Qwen2_5_VLProcessor itself needs torchvision, for videos.
    write_json(folder / "processor_config.json", {"image_processor": images, "processor_class": "Qwen2_5_VLProcessor"})
    (folder / "chat_template.jinja").write_text(template)
