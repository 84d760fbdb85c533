"""The demonstration model: Qwen2-VL's own architecture, small; its tokenizer; and a fast forward for training.

`forward` computes what transformers' Qwen2VLForConditionalGeneration computes (train.py checks it at every start),
for batches of one image size and one text layout: no loop over images, one patch copy for both frames.
"""
import torch
import torch.nn.functional as F

import data

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
           r"\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
            "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
            "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
TEMPLATE = ("{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
            "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
            "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
            "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
            "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
            "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def make_tokenizer():
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(data.texts(), trainers.BpeTrainer(
        vocab_size=1000, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    t.add_special_tokens(SPECIALS)
    return t


def make_model(tokenizer, hidden=128, layers=8, vision=128, depth=4):
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    ids = {s: tokenizer.token_to_id(s) for s in SPECIALS}
    config = Qwen2VLConfig(
        text_config=dict(hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
                         num_attention_heads=8, num_key_value_heads=4, vocab_size=tokenizer.get_vocab_size(),
                         max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=True,
                         bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"],
                         pad_token_id=ids["<|endoftext|>"],
                         # A head has 8 frequencies: with a small base all of them tell 8 rows or columns apart.
                         rope_parameters={"rope_type": "default", "type": "mrope", "mrope_section": [2, 3, 3],
                                          "rope_theta": 10.0}),
        vision_config=dict(embed_dim=vision, depth=depth, num_heads=4, hidden_size=hidden, mlp_ratio=4, patch_size=14,
                           spatial_merge_size=2, temporal_patch_size=2, in_channels=3),
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True)
    model = Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        for name, w in model.named_parameters():
            if w.ndim >= 2:
                fan = w[0].numel()
                scale = 0.08 if "embed_tokens" in name else fan ** -0.5
                if name.endswith(("o_proj.weight", "down_proj.weight", "attn.proj.weight", "fc2.weight")):
                    scale *= 0.4
                w.normal_(0.0, scale)
    return model


class Fast:
    """The model's forward over fixed layouts."""

    def __init__(self, model, tokenizer):
        self.model, self.visual, self.text = model, model.model.visual, model.model.language_model
        head = tokenizer.encode(data.HEAD, add_special_tokens=False).ids
        self.head = torch.tensor(head)
        self.at = len(head)                                # where the visual tokens begin
        self.slots = [data.DESCRIPTION, data.QUESTION, data.QUESTION]
        start = self.at + data.TOKENS
        total = start + sum(self.slots)
        rows = torch.arange(data.TOKENS)
        before = torch.arange(self.at).expand(3, -1)
        image = self.at + torch.stack([rows * 0, rows // 8, rows % 8])
        after = torch.cat([self.at + 8 + torch.arange(n) for n in self.slots]).expand(3, -1)
        self.positions = torch.cat([before, image, after], 1)[:, None]
        mask = torch.ones(total, total, dtype=torch.bool).tril()
        first = start
        for n in self.slots:                               # a slot does not see the slots before it
            mask[first:first + n, start:first] = False
            first += n
        self.mask = mask
        self.cos, self.sin = self.text.rotary_emb(torch.zeros(1), self.positions)
        self.cos, self.sin = self.cos[:, None], self.sin[:, None]
        y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        order = torch.arange(256).reshape(8, 2, 8, 2).transpose(1, 2).reshape(-1)
        where = torch.stack([y.reshape(-1)[order], x.reshape(-1)[order]], 1)
        cos, sin = self.visual.rotary_pos_emb(torch.zeros(1), where)
        self.vcos, self.vsin = cos[:, None], sin[:, None]
        self.scale = (1 / (255 * torch.tensor(STD))).repeat_interleave(196)
        self.shift = (-torch.tensor(MEAN) / torch.tensor(STD)).repeat_interleave(196)

    @staticmethod
    def turn(x, cos, sin):
        half, cos, sin = x.shape[-1] // 2, cos.to(x.dtype), sin.to(x.dtype)
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin

    def see(self, pixels):
        """(B, 256, 588) uint8 -> (B, 64, hidden): the merger's outputs."""
        x = pixels.float() * self.scale + self.shift
        w = self.visual.patch_embed.proj.weight
        x = F.linear(x, w.sum(2).flatten(1))               # both frames are the one image
        b, n, d = x.shape
        for block in self.visual.blocks:
            q, k, v = block.attn.qkv(block.norm1(x)).view(b, n, 3, block.attn.num_heads, -1).unbind(2)
            q, k = self.turn(q, self.vcos, self.vsin), self.turn(k, self.vcos, self.vsin)
            o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
            x = x + block.attn.proj(o.transpose(1, 2).reshape(b, n, d))
            x = x + block.mlp(block.norm2(x))
        m = self.visual.merger
        return m.mlp(m.ln_q(x).view(b, data.TOKENS, -1))

    def read(self, visual, ids, slots=3):
        """Hidden states (B, slots' tokens, hidden) after the final norm. visual: (B, 64, hidden); ids: (B, tokens)."""
        b = len(visual)
        size = sum(self.slots[:slots])
        embed = self.text.embed_tokens
        x = torch.cat([embed(self.head).expand(b, -1, -1), visual, embed(ids[:, :size])], 1)
        n, d = x.shape[1:]
        cos, sin, mask = self.cos[:, :, :n], self.sin[:, :, :n], self.mask[:n, :n]
        for layer in self.text.layers:
            a = layer.self_attn
            h = layer.input_layernorm(x)
            q = self.turn(a.q_proj(h).view(b, n, -1, a.head_dim).transpose(1, 2), cos, sin)
            k = self.turn(a.k_proj(h).view(b, n, -1, a.head_dim).transpose(1, 2), cos, sin)
            v = a.v_proj(h).view(b, n, -1, a.head_dim).transpose(1, 2)
            k, v = (t.repeat_interleave(a.num_key_value_groups, 1) for t in (k, v))
            o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            x = x + a.o_proj(o.transpose(1, 2).reshape(b, n, d))
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self.text.norm(x[:, -size:])

    def logits(self, hidden):
        return F.linear(hidden, self.text.embed_tokens.weight)
