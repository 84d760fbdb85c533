"""Writes families.json: what each family's chat template (tools/reference/tiny_tokenizers.py) makes of conversations, rendered by jinja2 with
transformers' settings.

    .venv/bin/python tools/goldens/chat/make.py

The texts that the families are known by are checked here, word for word.
"""
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "reference"))
import transformers  # noqa: E402
from tiny_tokenizers import GEMMA3_CHAT, MISTRAL_CHAT, SMOL_CHAT, VICUNA_CHAT, chatml  # noqa: E402
from transformers.utils.chat_template_utils import _compile_jinja_template  # noqa: E402

GOLDENS = HERE.parents[2] / "Tests/VisionLanguageTests/Goldens"
QWEN = "<|vision_start|><|image_pad|><|vision_end|>"
# Template, image placeholder, special tokens, and the text of a conversation.
FAMILIES = {
    "qwen2_5_vl": (chatml(QWEN, "You are a helpful assistant."), "<|image_pad|>", {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
                   f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{QWEN}PROMPT<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n"),
    "qwen3_vl": (chatml(QWEN), "<|image_pad|>", {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
                 f"<|im_start|>user\n{QWEN}PROMPT<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n"),
    "smolvlm": (SMOL_CHAT, "<image>", {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"},
                "<|im_start|>User:<image>PROMPT<end_of_utterance>\nAssistant: ANSWER<end_of_utterance>\n"),
    "internvl": (chatml("<IMG_CONTEXT>\n"), "<IMG_CONTEXT>", {"eos_token": "<|im_end|>"},
                 "<|im_start|>user\n<IMG_CONTEXT>\nPROMPT<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n"),
    "llava_onevision": (chatml("<image>\n"), "<image>", {"eos_token": "<|im_end|>"},
                        "<|im_start|>user\n<image>\nPROMPT<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n"),
    "llava_next": (MISTRAL_CHAT, "<image>", {"bos_token": "<s>", "eos_token": "</s>"}, "[INST] <image>\nPROMPT [/INST] ANSWER</s> "),
    "llava": (VICUNA_CHAT, "<image>", {"bos_token": "<s>", "eos_token": "</s>"}, "USER: <image>\nPROMPT ASSISTANT: ANSWER "),
    "gemma3": (GEMMA3_CHAT, "<start_of_image>", {"bos_token": "<bos>", "eos_token": "<eos>"},
               "<bos><start_of_turn>user\n<start_of_image>PROMPT<end_of_turn>\n<start_of_turn>model\nANSWER<end_of_turn>\n"),
}
SPECIAL = "<|im_end|> <end_of_utterance> <s></s> <bos> [INST] <eos> <end_of_turn> <|endoftext|>"
PROMPTS = ["Describe the main object in the image.", "", " What is\n\nshown? ", SPECIAL, "{{ messages }} {% if %} {# #}", "犬 e\u0301 \U0001f642"]
ANSWERS = ["a red dog", "", " a dog", "\n\na dog", "a dog  ", SPECIAL, "犬 e\u0301"]
SYSTEMS = [None, "You are terse.", "", "  Answer in\none word. ", SPECIAL]


def messages(system, prompt, answer):
    turn = lambda role, text: {"role": role, "content": [{"type": "text", "text": text}]}
    return ([] if system is None else [turn("system", system)]) + [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}] + (
        [] if answer is None else [turn("assistant", answer)])


def main():
    out = {}
    for name, (source, placeholder, tokens, known) in FAMILIES.items():
        template = _compile_jinja_template(source)
        render = lambda system, prompt, answer: template.render(
            messages=messages(system, prompt, answer), tools=None, documents=None, add_generation_prompt=answer is None, **tokens)
        assert render(None, "PROMPT", "ANSWER") == known, (name, render(None, "PROMPT", "ANSWER"))
        cases = []
        for system in SYSTEMS:
            for prompt in (PROMPTS if system in SYSTEMS[:2] else PROMPTS[:3]) + [f"Is {placeholder} in it?"]:
                cases.append({"system": system, "prompt": prompt, "text": render(system, prompt, None)})
                for answer in ANSWERS if prompt == PROMPTS[0] else ANSWERS[:2]:
                    cases.append({"system": system, "prompt": prompt, "answer": answer, "text": render(system, prompt, answer)})
        out[name] = {"template": source, "placeholder": placeholder, "special_tokens": tokens, "cases": cases}
    path = GOLDENS / "chat-families.json"
    path.write_text(json.dumps({"made_by": "tools/goldens/chat/make.py", "transformers": transformers.__version__, "families": out},
                               separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
