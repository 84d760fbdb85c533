"""Small tokenizers and chat templates in the form that each family's folders have on the Hugging Face Hub: for make_tiny.py."""
import base64
import json
from dataclasses import dataclass
from pathlib import Path

# A little English to learn merges from, with digits, punctuation, newlines and accents in it.
TEXT = """Describe the main object in the image. A photo of a large red circle next to a small blue square on the left.
What is shown here? Answer in one word: 12 or 345 cats, 2 dogs and 67 zebras! The woman in the kitchen holds a white cup of coffee.
caption en answer en a man riding a wave on top of a surfboard, a brown dog sleeping on the bed next to an open window.
USER: ASSISTANT: User: Assistant: system user assistant model You are a helpful assistant. Café, naïve, façade: 100% of it's there's.
Two zebras standing in a field of grass; a train on the tracks near a station; a bowl of fruit on the table.
""" * 8

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
                 "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
                 "<|image_pad|>", "<|video_pad|>"]


@dataclass
class TokenizerFiles:
    tokenizer: object                                   # a tokenizers.Tokenizer
    config: dict                                        # tokenizer_config.json, without added_tokens_decoder

    def id(self, token):
        number = self.tokenizer.token_to_id(token)
        assert number is not None, token
        return number

    def write(self, folder):
        self.tokenizer.save(str(folder / "tokenizer.json"))
        state = json.loads((folder / "tokenizer.json").read_text())
        decoder = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in state["added_tokens"]}
        write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": decoder, **self.config})


def trained(tokenizer, size, alphabet, specials=()):
    """Learns merges; the pipeline of `tokenizer` must be set."""
    from tokenizers import trainers
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=list(specials), show_progress=False))
    return tokenizer


def qwen_ranks():
    """The real vocabulary's byte strings and ranks, from the dashscope package."""
    import dashscope
    lines = (Path(dashscope.__file__).parent / "resources/qwen.tiktoken").read_bytes().splitlines()
    return {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines if line)}


def bpe_of_ranks(ranks):
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    letters = bytes_to_unicode()
    text = lambda data: "".join(letters[b] for b in data)
    merges = []
    for token, rank in ranks.items():
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            i = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 60))
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append((rank, text(parts[0]), text(parts[1])))
    return {text(t): r for t, r in ranks.items()}, [(a, b) for _, a, b in sorted(merges)]


def qwen_tokenizer(a, extra=(), config=None):
    """Byte-level BPE after NFC and Qwen2's splitting pattern."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    if a.vocabulary == "qwen":
        vocab, merges = bpe_of_ranks(qwen_ranks())
        t = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=False))
    else:
        t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    t.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    if a.vocabulary != "qwen":
        trained(t, 700, pre_tokenizers.ByteLevel.alphabet())
    add_special(t, QWEN_SPECIALS + list(extra))
    return TokenizerFiles(t, {"add_prefix_space": False, "bos_token": None, "clean_up_tokenization_spaces": False,
                              "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 32768,
                              "pad_token": "<|endoftext|>", "split_special_tokens": False,
                              "tokenizer_class": "Qwen2Tokenizer", "unk_token": None, **(config or {})})


def smol_tokenizer(a, tokenizer_class):
    """SmolLM2's byte-level BPE: digits apart, then GPT-2's pattern; the tile tokens behind it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)])
    t.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    trained(t, 700, pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tiles = [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
    add_special(t, ["<global-img>"] + tiles + ["<fake_token_around_image>", "<image>", "<end_of_utterance>"])
    return TokenizerFiles(t, {
        "additional_special_tokens": ["<fake_token_around_image>", "<image>", "<end_of_utterance>"], "add_prefix_space": False,
        "bos_token": "<|im_start|>", "clean_up_tokenization_spaces": False, "eos_token": "<end_of_utterance>",
        "model_max_length": 8192, "pad_token": "<|im_end|>", "tokenizer_class": tokenizer_class, "truncation_side": "left",
        "unk_token": "<|endoftext|>",
        **({"extra_special_tokens": {"end_of_utterance_token": "<end_of_utterance>", "fake_image_token": "<fake_token_around_image>",
                                     "global_image_token": "<global-img>", "image_token": "<image>"}}
           if tokenizer_class == "PreTrainedTokenizerFast" else {})})


def sentencepiece_like(before, after, prepend):
    """BPE over characters with byte fallback, learnt from words, as converted SentencePiece models are."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    words = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    words.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always" if prepend else "never")
    trained(words, 600, [])
    learnt = json.loads(words.to_str())["model"]
    tokens = list(before) + [f"<0x{b:02X}>" for b in range(256)]
    tokens += [t for t in sorted(learnt["vocab"], key=learnt["vocab"].get) if t not in set(tokens)] + ["\n", "\n\n", "▁▁", "▁"]
    vocab = {}
    for token in tokens + list(after):
        vocab.setdefault(token, len(vocab))
    merges = [tuple(m) for m in learnt["merges"]]
    merges += [m for m in [("\n", "\n"), ("▁", "▁")] if m not in merges]
    return Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))


def gemma_tokenizer(a, generation):
    """Gemma's: blanks become ▁, no cutting into words, byte fallback, line breaks as added tokens."""
    from tokenizers import AddedToken, decoders, normalizers, pre_tokenizers, processors
    start = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    tail = [f"<loc{i:04}>" for i in range(a.location_tokens)] + [f"<seg{i:03}>" for i in range(a.location_tokens // 8)]
    tail = tail if generation < 3 else []
    image = ["<image>"] if generation < 3 else ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
    turns = ["<start_of_turn>", "<end_of_turn>"]
    t = sentencepiece_like(start + turns, tail, prepend=False)
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in start + turns])
    t.add_tokens([AddedToken(s, special=False, normalized=False) for s in ["\n", "\n\n"] + tail])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in image])
    bos = t.token_to_id("<bos>")
    t.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", bos)])
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": "<bos>", "clean_up_tokenization_spaces": False,
              "eos_token": "<eos>", "model_max_length": 1000000000000000019884624838656, "pad_token": "<pad>",
              "spaces_between_special_tokens": False, "tokenizer_class": "GemmaTokenizer", "unk_token": "<unk>",
              "use_default_system_prompt": False}
    if generation == 3:
        config |= {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>",
                   "extra_special_tokens": {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>",
                                            "image_token": "<image_soft_token>"}}
    else:
        config |= {"additional_special_tokens": ["<image>"]}
    return TokenizerFiles(t, config)


def llama_tokenizer(a):
    """Llama 2's: ▁ before the text and for every blank, byte fallback, <s> in front."""
    from tokenizers import AddedToken, decoders, normalizers, processors
    t = sentencepiece_like(["<unk>", "<s>", "</s>"], [], prepend=True)
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(content=" ", left=1, right=0)])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in ["<unk>", "<s>", "</s>", "<image>", "<pad>"]])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return TokenizerFiles(t, {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
                              "clean_up_tokenization_spaces": False, "eos_token": "</s>", "legacy": False,
                              "model_max_length": 1000000000000000019884624838656, "pad_token": "<pad>", "padding_side": "left",
                              "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>",
                              "use_default_system_prompt": False})


def add_special(tokenizer, names):
    from tokenizers import AddedToken
    tokenizer.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])


# ------------------------------------------------------------------------------------------------ chat templates
# Written for this file; they render, for one image, a prompt and an answer, what the published ones render.
def chatml(image, system=None):
    first = ("{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n" + system + "<|im_end|>\n{% endif %}"
             if system else "")
    return ("{% for message in messages %}" + first + "<|im_start|>{{ message['role'] }}\n"
            "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
            "{% if part['type'] == 'image' %}" + image + "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
            "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


SMOL_CHAT = ("<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
             "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}{% for part in message['content'] %}"
             "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
             "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}")
GEMMA3_CHAT = ("{{ bos_token }}{% for message in messages %}<start_of_turn>"
               "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n{% if message['content'] is string %}"
               "{{ message['content'] | trim }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}"
               "<start_of_image>{% elif part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
               "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}")
VICUNA_CHAT = ("{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
               "{% if part['type'] == 'image' %}<image>\n{% endif %}{% endfor %}{% for part in message['content'] %}"
               "{% if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endif %}{% endfor %}{% endfor %}"
               "{% if add_generation_prompt %}ASSISTANT:{% endif %}")
MISTRAL_CHAT = ("{% for message in messages %}{% if message['role'] == 'user' %}[INST] {% for part in message['content'] %}"
                "{% if part['type'] == 'image' %}<image>\n{% endif %}{% endfor %}{% for part in message['content'] %}"
                "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %} [/INST]{% else %}"
                "{% for part in message['content'] %} {{ part['text'] }}{% endfor %}</s> {% endif %}{% endfor %}")


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def rows(t):
    """Rows of the embedding table: the ids in use, padded as the published tables are."""
    highest = max(t.tokenizer.get_vocab(with_added_tokens=True).values())
    return (highest + 1 + 63) // 64 * 64
