"""Text by transformers' own `generate`: what `headimpact generate` must give, token for token."""
import torch


def stop_ids(reference):
    """What ends an answer by the folder's generation_config.json or config.json, as transformers reads them."""
    ids = reference.model.generation_config.eos_token_id
    return ids if isinstance(ids, list) else [ids]


@torch.no_grad()
def generated(reference, image, prompt, length, beams=1, dtype=torch.float32, penalty=None):
    """New ids, the stop token included; and the least gap between the two best scores of a step (infinite for beams).

    reference: hi_reference.Reference, whose model may be PEFT's. penalty: of repetitions; None for the folder's own.
    """
    inputs = reference.question_inputs(image, prompt)
    inputs["pixel_values"] = inputs["pixel_values"].to(dtype)
    ids = inputs["input_ids"]
    stops = stop_ids(reference)
    out = reference.model.generate(
        **inputs, **({} if penalty is None else {"repetition_penalty": penalty}), do_sample=False, num_beams=beams,
        max_new_tokens=length, eos_token_id=stops, pad_token_id=stops[-1], return_dict_in_generate=True,
        output_scores=True)
    new = out.sequences[0, ids.shape[1]:].tolist()
    while len(new) > 1 and new[-1] == stops[-1] and new[-2] in stops:
        new.pop()  # beams are filled up to the longest
    gap = min(float(s[0].topk(2).values.diff().abs()) for s in out.scores) if beams == 1 else float("inf")
    return new, gap


def decoded(reference, ids):
    """The text of new ids, without special tokens."""
    return reference.tokenizer.decode(ids[:-1] if ids[-1] in stop_ids(reference) else ids, skip_special_tokens=True)


# Python's own strip would also take U+001C to U+001F, which a random model may well say.
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def result(reference, ids):
    """The text as a results file has it: without white space at its ends."""
    return decoded(reference, ids).strip(SPACES)
