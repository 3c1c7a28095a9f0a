#!/usr/bin/env python3
"""Writes tests/golden/text/texts.tsv: texts, what cleaning makes of them, and their ids by every tokenizer.

usage: text.py
Pinned: Python 3.11, ftfy 6.3.1, regex 2026.11.19, open_clip_torch 3.3.0, transformers 5.24.0, tokenizers 0.23.3.
"""
import json
import random
from pathlib import Path

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, get_clean_fn
from transformers import CLIPTokenizer

ROOT = Path(__file__).parent.parent.parent
START, END, CONTEXT = 49406, 49407, 77
CODE_PAGES = ['latin-1', 'sloppy-windows-1252', 'sloppy-windows-1251', 'sloppy-windows-1250', 'sloppy-windows-1253',
              'sloppy-windows-1254', 'sloppy-windows-1257', 'iso-8859-2', 'macroman', 'cp437']

PLAIN = '''a photo of a cat
A Photo  of\ta Dog.
the quick brown fox jumps over the lazy dog's back, isn't it? I'll say they've won; we're 'm 'd DON'T
1234567890 3.14 $5 50% #tag @name a_b_c --- ... !!! ?! (x) [y] {z} <tag> </tag> a&b R&B
antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis
naïve café façade Ångström Øresund Łódź İstanbul ıssız ŉ ß ẞ ſtart it'ſ
e\u0301 a\u030a n\u0303 \u1e9b\u0323 \uac00\u11a8 \u1112\u1161\u11ab o\u0345x
Ελληνικά ΟΔΟΣ ΟΔΟΣ. Σ ΑΣ Α\u0301Σ ΣΑΣ'Σ a\u03a3\u00adb
Москва привет Ёлка Ґ Їжак
你好世界 日本語 カタカナ ひらがな 한국어 \u20bb7\u20000 中a文1
שלום עולם مرحبا بالعالم ١٢٣ १२३ ๑๒๓ ไทย हिन्दी தமிழ்
😀 👍🏽 👨‍👩‍👧 🇩🇪 ❤️ ☺ ✔ ★ → ∞ ½ ² Ⅷ ① ㎏ ™ © № €
“curly” ‘quotes’ it’s „low“ «angle» – — … ‐ ‑ ′ ″
ﬁsh ﬂuﬃeﬆ ﬀ ﬄ ﬅ Ĳ ĳ Ǆ ǅ ǆ ǈ Ǌ
ＦＵＬＬ　ｗｉｄｔｈ １２３ ｶﾀｶﾅ ﾊﾟ ￣ ￦ ﾡ ￫
zero\u200bwidth \u200d\u200c\u2060\ufeff bom \u00ad soft
\u00a0nbsp\u2003em\u3000ideo\u1680ogham\u2028line\u2029para\x85nel\x1cfs\x1dgs\x1ers\x1fus\x0bvt\x0cff
\x00\x01\x07\x08 \x7f \x80\x81\x9f \x1b[31mred\x1b[0m \x1b[ \x1b[1;2
\ue000\uf8ff \U000f0000 \ufffd \uffff \U0010ffff \u0378
&amp; &lt;b&gt; &quot;q&quot; &#39; &eacute; &EACUTE; &amp;amp;amp;
&amp &ampx &notit; &notin; &nosuch; &#x41; &#65 &#0; &#x80; &#1114112; &#xD800;
&SZLIG; &#59; &fjlig; &FJLIG; &NotEqualTilde;
<b>&eacute;</b> &eacute;
line one &eacute;⏎line <two> &eacute;⏎line three &eacute;\r⏎four\rfive
<start_of_text> a <end_of_text> b <START_OF_TEXT> <ſtart_of_text>! x<end_of_text>y
<|startoftext|> a <|endoftext|> b <|STARTOFTEXT|>! <|EndOfText|>!! <|startoftext|>!
[CLS] a [SEP] b [MASK] [PAD] [UNK] [cls] [MASK]ed
! !! a! !a hello!world "!" !?
à la mode Ã la mode, sÃ³ voilÃ le travail, Ã  propos, fÃ cil Ã s vezes
\u00c3\u00a9t\u00c3\u00a9 â€œquotedâ€� donâ€™t âœ” Â© Â  ÂŁ
РєРѕС€РєР° ГўВЂВ™s вЂ™ ÐšÐ¾ÑˆÐºÐ° Î±Î²Î³ β€™ ā€
√© √± ≈ì ‚Äì ‚Äôs ├⌐ ╬▒ Ôé¼ ∩┐╜
l’humanitÃ© et Ã©tÃ© ŠÃ©x Ã© 中 Ã©
\u00ed\u00a0\u00bd\u00ed\u00b2\u00a9 \u00c0\u0080 à²Œ à¸„ Ø§Ù„Ø¹ ðŸ˜€ ð\u009f\u0098\u0080'''

BYTES = [b'\xff\xfe cat', b'caf\xe9', b'\xc3', b'\xe2\x82', b'\xf0\x9f\x98', b'\xed\xa0\x80x', b'\xc0\x80',
         b'a\x80b\xbfc', b'\xf4\x90\x80\x80', b'\xe0\x80\x80 \xf8\x88\x80\x80\x80', b'', b' ', b'\n\n']


def random_texts(count):
    source = random.Random(4)
    words = [word for line in PLAIN.split('\n')[:16] for word in line.split()]
    for _ in range(count):
        text = ' '.join(source.choice(words) for _ in range(source.randint(1, 8)))
        for _ in range(source.choice([0, 0, 1, 1, 2, 3])):  # read in the wrong code page, now and then more than once
            try:
                text = text.encode().decode(source.choice(CODE_PAGES))
            except UnicodeDecodeError:
                break
        if source.random() < 0.3:
            text = text.replace('\xa0', ' ').replace('\x9d', '\ufffd') + source.choice(words)
        yield text


def texts():
    yield from (line.replace('⏎', '\n') for line in PLAIN.split('\n'))
    for length in (70, 74, 75, 76, 77, 78, 200):
        yield 'cat ' * length
        yield '你' * length
    yield 'x' * 99
    yield 'y' * 100
    yield 'z' * 101
    yield 'aeiou' * 300
    yield 'a ' * 80 + '<end_of_text>'
    yield '&amp;' + 'amp;' * 40 + 'lt;'
    yield from random_texts(220)


def strip_padding(ids, end):
    return ids[:len(ids) - ids[::-1].index(end)]


def clip_ids(tokenizer, text):
    return strip_padding(tokenizer(text)[0].tolist(), END)


def main():
    modes = ('lower', 'whitespace', 'canonicalize')
    simple = {mode: SimpleTokenizer(clean=mode, context_length=CONTEXT) for mode in modes}
    starter = HFTokenizer(str(ROOT / 'models/starter'), context_length=CONTEXT, clean='whitespace')
    vocabulary = {token: i for token, i in simple['lower'].encoder.items() if i < START}
    vocabulary |= {'<|startoftext|>': START, '<|endoftext|>': END}
    merges = sorted(simple['lower'].bpe_ranks, key=simple['lower'].bpe_ranks.get)
    hf = {pad: CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad) for pad in ('<|endoftext|>', '!')}
    rows = ['text\twhitespace\tstarter\tclip_lower\tclip_whitespace\tclip_canonicalize\thf\thf_pad']
    clean = get_clean_fn('whitespace')
    sources = [text.encode() for text in texts()] + BYTES
    for source in sources:
        text = source.decode('utf-8', 'replace')
        ids = [strip_padding(starter(text)[0].tolist(), 102)]
        ids += [clip_ids(tokenizer, text) for tokenizer in simple.values()]
        ids += [tokenizer(text, truncation=True, max_length=CONTEXT)['input_ids'] for tokenizer in hf.values()]
        columns = [source.hex(), json.dumps(clean(text))] + [' '.join(map(str, row)) for row in ids]
        rows.append('\t'.join(columns))
    (ROOT / 'tests/golden/text/texts.tsv').write_text('\n'.join(rows) + '\n')
    print(len(sources), 'texts')


if __name__ == '__main__':
    main()
