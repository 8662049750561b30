"""Make ``my-bert``, the folder of a trained classifier of texts: a story that a README tells.

``python probe_story_bert.py '{"text": ...}'``, by a Python that has transformers, in the folder
that gets it; prints as JSON the label of the text and its score, by the original.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "does", "the", "board", "game", "come", "?"]
Path("vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
tokenizer = transformers.BertTokenizerFast("vocab.txt")
torch.manual_seed(3)
model = transformers.BertForSequenceClassification(
    transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=48,
        num_attention_heads=4,
        num_hidden_layers=2,
        initializer_range=0.3,
        id2label={0: "product", 1: "order", 2: "other"},
        label2id={"product": 0, "order": 1, "other": 2},
    )
).eval()
model.save_pretrained("my-bert")
tokenizer.save_pretrained("my-bert")
classify = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
print(json.dumps(classify(json.loads(sys.argv[1])["text"])[0]))
