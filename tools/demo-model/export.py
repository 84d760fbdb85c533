#!/usr/bin/env python3
"""Save a training run's checkpoint as a published model folder, in bf16.

    python export.py RUN_DIR MODEL_DIR
"""
import argparse
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import model as demo


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run")
    p.add_argument("out")
    a = p.parse_args()
    run, out = Path(a.run), Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    model = demo.make_model(tokenizer)
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=False)
    model.load_state_dict(checkpoint["model"])
    text = model.config.text_config
    model.generation_config = GenerationConfig(bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id,
                                               pad_token_id=text.pad_token_id, do_sample=False)
    model.to(torch.bfloat16).save_pretrained(out)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>",
                            pad_token="<|endoftext|>").save_pretrained(out)
    (out / "chat_template.jinja").write_text(demo.TEMPLATE)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=28 * 28 * 256).save_pretrained(out)
    card = Path(__file__).parent / "MODEL_CARD.md"
    if card.exists():
        shutil.copyfile(card, out / "README.md")
    print(checkpoint["state"])


if __name__ == "__main__":
    main()
