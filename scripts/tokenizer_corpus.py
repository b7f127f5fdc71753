"""Writes tests/cases/tokenizer/corpus.txt: the lines on which tokenizers are compared.

    python3 scripts/tokenizer_corpus.py

One text a line, escaped as in C: \\\\ \\n \\r \\t and \\xHH for other control bytes and for bytes that are not UTF-8.
Hand-written sentences in the scripts of the world, prose of tests/cases/text, code of this repository, and
combinations drawn with a fixed seed. Running it again after the repository has changed changes the code lines, and
the goldens must then be made again (golden_tokenizer.py).
"""

import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SCRIPTS = """All human beings are born free and equal in dignity and rights.
Tous les êtres humains naissent libres et égaux en dignité et en droits.
Alle Menschen sind frei und gleich an Würde und Rechten geboren; größer, süßer, ÄÖÜ.
Todos los seres humanos nacen libres e iguales en dignidad y derechos. ¿Qué? ¡Olé!
Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Coração, avó, pôde.
Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Zażółć gęślą jaźń.
Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Příliš žluťoučký kůň.
Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Árvíztűrő tükörfúrógép.
Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. İstanbul'da ılık ığdır.
Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.
Allar manneskjur eru bornar frjálsar og jafnar. Þetta reddast, æði og ð.
Все люди рождаются свободными и равными в своём достоинстве и правах. Ёлка, объезд.
Усі люди народжуються вільними і рівними у своїй гідності та правах. Їжак, ґанок.
Сви људи рађају се слободни и једнаки у достојанству и правима. Љубав, њива, џеп.
Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.
Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.
Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։
ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.
כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם. שָׁלוֹם עֲלֵיכֶם
يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. بِسْمِ ٱللَّهِ
تمام انسان‌ها آزاد به دنیا می‌آیند و از لحاظ کرامت و حقوق با هم برابرند. ۱۲۳۴
تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔
ܟܠ ܒܪܢܫܐ ܒܪܝܠܗ ܚܐܪܐ ܘܒܪ ܫܘܝܐ
ހުރިހާ އިންސާނުން ވެސް ދުނިޔެއަށް އުފަންވަނީ
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। १२३
সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। ৪৫৬
ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ, ਸ਼ਾਨ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ।
પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ સર્વ માનવો જન્મથી સ્વતંત્ર અને સમાન હોય છે.
ସବୁ ମନୁଷ୍ୟ ଜନ୍ମକାଳରୁ ସ୍ୱାଧୀନ ଏବଂ ସମାନ।
மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர். கௌரவம், ௧௨௩
ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు.
ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಹುಟ್ಟಿದ್ದಾರೆ. ಘನತೆ ಮತ್ತು ಹಕ್ಕುಗಳಲ್ಲಿ ಸಮಾನರಾಗಿದ್ದಾರೆ.
മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചവരാണ്.
සියලු මනුෂ්‍යයෝ නිදහස්ව උපත ලබා ඇත. ගරුත්වයෙන් හා අයිතිවාසිකම්වලින් සමාන වෙති.
มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ๑๒๓
ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ເສລີພາບແລະຄວາມສະເໝີພາບເທົ່າທຽມກັນ.
មនុស្សទាំងអស់ កើតមកមានសេរីភាព និងសមភាព ក្នុងផ្នែកសេចក្ដីថ្លៃថ្នូរនិងសិទ្ធិ។
လူတိုင်းသည် တူညီလွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ မွေးဖွားလာသူများ ဖြစ်သည်။
འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང༌། ཐོབ་ཐངགི་རང་དབང་འདྲ་མཉམ་དུ་ཡོད།
Хүн бүр төрж мэндлэхэд эрх чөлөөтэй, адилхан нэр төртэй. ᠬᠦᠮᠦᠨ ᠪᠦᠷ᠎ᠠ
人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。
人人生而自由,在尊严和权利上一律平等。一二三四五六七八九十，①②③
すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。カタカナｶﾀｶﾅー
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. ᄒᆞᆫ글
ሁሉም ሰው ሲወለድ ነጻ ነው። በክብርና በመብትም እኩል ነው። ፩፪፫
ᏂᎦᏓ ᎠᏂᏴᏫ ᏂᎨᎫᏓᎸᎾ ᎠᎴ ᎤᏂᏠᏱ ᎤᎾᏕᎿ ᏚᏳᎧᏛ ᎨᏒᎢ.
ᓱᕈᓯᐃᑦ ᐃᓅᔪᓕᒫᑦ ᐊᓂᖅᑎᕆᔪᓐᓇᖅᑐᑦ
ꦱꦧꦼꦤ꧀ꦈꦮꦺꦴꦁꦏꦭꦻꦂꦫꦏꦺ ꧑꧒꧓
ᬲᬓᬮ ᬫᬦᬸᬲ ᬗᬮᬳᬶᬃ
ⵉⵎⴷⴰⵏⴻⵏ ⴰⴽⴽⵡ ⴻⵜⵜⵍⴰⵍⴻⵏ ⴷ ⵉⵍⴻⵍⵍⵉⵢⴻⵏ
ߊߘߊߡߊߘߋ߲ ߓߍ߯ ߡߏߦߌߣߍ߲ ߣߍߣߍ߫ ߟߏ߬
𐌰𐌻𐌻𐌰𐌹 𐌼𐌰𐌽𐌽𐌰𐌽𐍃 𐍆𐍂𐌴𐌹𐌷𐌰𐌻𐍃 𐌲𐌰𐌱𐌰𐌿𐍂𐌰𐌽𐌰𐌹
ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ ᛫ ᛗᚱ ᛮᛯᛰ
𒀀𒈾 𒁀𒉌𒅀 𓀀𓁐𓂀 𐎀𐎁𐎂 ꙮ ꔀꔁ 𞤀𞤣𞤤𞤢𞤥
𝓗𝓮𝓵𝓵𝓸 𝕎𝕠𝕣𝕝𝕕 𝟘𝟙𝟚𝟛 Ｆｕｌｌｗｉｄｔｈ １２３ ⅣⅧ ½¾ x²y³ H₂O Ⅻ ㊿ 〇"""

# fmt: off
FIXED = [
    "", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\n \n", " \n", "\n ", "\r", "\x0b\x0c", "a", "Hello world",
    " Hello", "Hello ", "  Hello  world  ", "Hello\nworld", "Hello\n\n\nworld\n", "\tindent\n\t\tdeeper",
    "    four spaces\n        eight", "I'm you're we've they'll he'd it's can't 'tis O'Brien's",
    "I'M YOU'RE WE'VE THEY'LL HE'D IT'S CAN'T", "'S'T'RE'VE'M'LL'D's't", "it\u2019s we\u2019ll",
    "'\u017f '\u017ft long s", "\u212a Kelvin 'K", "a'b''c'''d", "don't\u00a0stop", "''''s", "0", "1", "12", "123",
    "1234", "12345", "123456", "1234567", "12345678901234567890", "3.14159", "1,000,000.00", "-42", "1e-10", "0x1F",
    "v1.2.3", "2024-02-29T23:59:59Z", "192.168.0.1", "$100 €50 ¥7", "100%", "1st 2nd 3rd", "a1b2c3", "x86_64",
    "\u0661\u0662\u0663", "\u00b2\u00b3\u00b9", "\u2160\u2161", "\u4e00\u4e8c", "\u3007", "\U0001d7d8\U0001d7d9",
    "\u0e51\u0e52", "\u1369", "\u00bd\u2153", "\u24ea\u2460", "12 345", "12\u00a0345", " 1 2 3", "  12", "\n12",
    "a 1", "a  1", "a\n1", "1\n", "1 ", "👍", "👍🏽", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇺🇸🇫🇷", "❤️❤", "👨🏿‍🚀👩🏻‍🔬", "😀😃😄😁", " 😀 ",
    "a😀b", "1️⃣2️⃣", "🫠🫱🏻‍🫲🏿", "☺︎☺️", "🤷‍♂️", "¯\\_(ツ)_/¯", "e\u0301 é", "\u0301alone", "a\u0300\u0301\u0302\u0303",
    "Z\u0351\u036b\u0343\u032aA\u034a\u034bL\u036f", "ﬁ ﬂ ﬃ", "\u1e9e\u00df", "\u0130\u0131", "\u01c5", "\u200b",
    "a\u200bb", "\u200d", "\u200e\u200f", "\u2060", "\ufeffBOM", "x\ufeffy", "\u00ad", "\u180e", " \u180e ",
    "a\u180eb", "\u2800", "\ufffd", "\ufffe", "\uffff", "\ue000", "\U000f0000", "\U0010ffff", "\U000e0001",
    "\U00050000", "\U0001fbff", "\u0378", "\u2fff", "\x00", "a\x00b", "\x01\x02\x03", "!\x04!", "\x1b[31mred\x1b[0m",
    "\x7f", "a\x08b", "\x04a\x06", "\u0080\u0085\u009f", "\x1c\x1d\x1e\x1f a",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", "<|im_end|", "<|im_end |>",
    "<<|im_end|>>", "<|im_<|im_end|>end|>", "<|endoftext|>", "<|endoftext|><|endoftext|>", " <|im_start|> ",
    "a<|im_start|>b", "<|IM_END|>", "<|im_end|>\n\n<|im_end|>", "<repo_name>x<file_sep>y<jupyter_start>",
    "<issue_start>issue<issue_closed>", "<gh_stars>", "<reponame>a/b<filename>c.py<gh_stars>0", "<bos>", "<eos>",
    "<pad>", "<unk>", "<mask>", "<s>", "</s>", "<unused0>", "<unused99>", "<unused6241>", "<unused9999>",
    "[multimodal]", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<start_of_image><end_of_image>",
    "<start_of_turn", "<bos><bos>Hi<eos>", "<0x0A>", "<0x41>", "<0xff>", "<0xFF>", "\u2581", "\u2581\u2581",
    "a\u2581b", " \u2581 ", "Ġ", "ĠHello", "Ċ", "<h1>Title</h1>", "<table><tr><td>1</td></tr></table>",
    '<div class="a"><p>x</p></div>', "<strong>b</strong><em>i</em>", "<ul><li>1</li></ul>", "</div >", "< div>",
    ">\u2581</", "> </a", "x> </p> <p>", "\n" * 30, "\n" * 31, "\n" * 32, "\n" * 33, "\n" * 70, " " * 30, " " * 31,
    " " * 32, " " * 33, " " * 70, "\t" * 30, "\t" * 31, "\t" * 32, "\t" * 70, " " * 15 + "x", "x" + " " * 15,
    "x" + " " * 40 + "y", "\t" * 5 + " " * 5 + "\n" * 5, " \t \n \r\n \x0b\x0c", "\r\n\r\n", "a\r\nb\r\n\r\nc",
    "a\u00a0b\u1680c\u2000d\u2001e\u2002f\u2003g\u2004h\u2005i\u2006j\u2007k\u2008l\u2009m\u200an",
    "a\u2028b\u2029c\u202fd\u205fe\u3000f", "\u3000\u3000x", "x\u00a0\u00a0", "\u2003\u2003\u2003y", " \u00a0 z",
    "\n\u3000\nx", "\u0085\u0085a", "foo  \n  bar", "foo \u2003\nbar",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ab" * 60, "Aa" * 40, "." * 70, "-" * 70, "=" * 70, "_" * 70, "*" * 33, "#" * 9, "!?" * 20, "()[]{}<>", "((((((",
    "))))))", "...!!!???", ",;:", "\"'`", "/*---*/", "//////", "antidisestablishmentarianism",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "supercalifragilisticexpialidocious", "https://example.com/a/b?c=d&e=%20f#g", "user.name+tag@example.co.uk",
    "C:\\Users\\x\\file.txt", "/usr/local/bin", "snake_case camelCase PascalCase kebab-case SCREAMING_CASE",
    '{"a": [1, 2.5, null, true], "b": {"c": "d\\n"}}', "SELECT * FROM t WHERE a >= 1 AND b != 'x';",
    "$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$", "def f(x):\n    return x ** 2\n",
    "#include <vector>\nint main() { return 0; }\n", "for (let i=0;i<10;i++){console.log(`${i}`);}",
    "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }", "if err != nil {\n\treturn err\n}",
    "a = b if c else d  # comment", "<!-- x -->", "| a | b |\n|---|---|\n| 1 | 2 |", "- [ ] todo\n- [x] done",
    "**bold** _it_ `code`", "x==y && z||w", "a->b::c", "i++ + ++i", "0.1+0.2!=0.3", "~!@#$%^&*()_+",
    "≤≥≠≈±×÷√∞∑∏∫∂∇∈∉⊂⊃∪∩", "→←↑↓⇒⇔", "「」『』【】《》", "，。！？；：", "“quoted” ‘single’ – — …", "™©®§¶†‡•", "№", "℃℉Å",
]

# The ends of ranges of letters, digits and punctuation that Unicode added in versions 15 and 16.
NEW = """
    1C89 1C8A A7CB A7CD A7DA A7DC 105C0 105F3 10D4A 10D65 10D6F 10D85 10EC2 10EC4 1123F 11240
    11380 11389 1138B 1138E 11390 113B5 113B7 113D1 113D3 11BC0 11BE0 11F02 11F04 11F10 11F12 11F33
    1342F 13441 13446 13460 143FA 16100 1611D 16D40 16D6C 18CFF 1B132 1B155 1DF25 1DF2A 1E030 1E06D
    1E4D0 1E4EB 1E5D0 1E5ED 1E5F0 2B739 2EBF0 2EE5D 31350 323AF 10D40 10D49 116D0 116E3 11BF0 11BF9
    11F50 11F59 16130 16139 16D70 16D79 1CCF0 1CCF9 1D2C0 1D2D3 1E4F0 1E4F9 1E5F1 1E5FA 1B4E 1B4F
    1B7F 10D6E 113D4 113D5 113D7 113D8 11B00 11B09 11BE1 11F43 11F4F 16D6D 16D6F 1E5FF
"""

BAD = [
    b"\xff", b"\xfe\xff", b"\x80", b"a\x80b", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2 ", b"\xe2\x82",
    b"\xe2\x82x", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xe0\x80\x80",
    b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf0\x9f\x98 x", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"caf\xe9", b"na\xefve text", b"Hello \xff\xfe world",
    b"\xff\xff\xff\xff", b" \xff ", b"1\xff2", b"a\xffb\xff c", b"\n\xff\n", b"!\xff!", b"'\xffs",
    b"\xf0\x9f\x98\x80\xf0\x9f\x98", b"\xbf\xbf<|im_end|>\xbf", b"<|im_\xffend|>", b"\xe6\x97\xa5\xe6\x9c",
    b"\xe6\xe6\x97\xa5", b"\x00\xff\x00", b"\xc3\xa9\xc3", b"\xc3\xc3\xa9", b"\xf1\x80\x80\x80\xf1", b"\xf2",
    b"\xf3\xa0\x81",
]

# What the drawn lines are made of.
SPACES = [
    " ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n", "\n  ", "\u00a0", "\u3000", "\u2003", "\u2028",
    "\u0085", "",
]
MARKS = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
MARKS += ["...", "--", "->", "::", "'s", "'LL", "\u2019t", "。", "«", "×", "😀", "👩‍🚀", "❤️", "\u200d", "\u0301"]
DIGITS = ["7", "42", "123", "1234", "90210", "3.14", "\u0663", "\u0967", "²", "Ⅷ", "½", "〇", "１２"]
SPECIAL = [
    "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<bos>", "<eos>", "<end_of_turn>", "<h2>", "</p>", "<unused7>",
    "<0x0A>", "<|im_", "[multimodal]", "\u2581",
]
RANGES = [
    (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0x1E00, 0x20CF), (0x2100, 0x2BFF),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x10000, 0x1FFFF),
]
# fmt: on


def escape(text):
    data = text if isinstance(text, bytes) else text.encode()
    names = {0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    out, i = [], 0
    while i < len(data):
        length = next((n for n in (1, 2, 3, 4) if is_character(data[i : i + n])), 0)
        if length == 0 or data[i] in names or data[i] < 0x20 or data[i] == 0x7F:
            out.append(names.get(data[i], f"\\x{data[i]:02x}"))
            i += 1
        else:
            out.append(data[i : i + length].decode())
            i += length
    return "".join(out)


def is_character(data):
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def drawn(rng, words):
    """Lines that put everything next to everything."""
    kinds = (words, words, words, SPACES, SPACES, MARKS, DIGITS, SPECIAL)
    for _ in range(900):
        yield "".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(2, 14)))
    for _ in range(200):
        low, high = rng.choice(RANGES)
        yield "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 12)))
    for _ in range(100):
        yield bytes(rng.randrange(256) for _ in range(rng.randint(1, 12)))
    for _ in range(100):
        data = bytearray("".join(rng.choice(words + MARKS) for _ in range(5)).encode())
        data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data)


def repository_lines():
    prose = []
    for name in ("classics.txt", "prompts.txt"):
        prose += (ROOT / "tests/cases/text" / name).read_text().splitlines()
    code = []
    for pattern in ("src/base/*", "src/gguf/*.cpp", "scripts/peer_*.py"):
        for path in sorted(ROOT.glob(pattern)):
            code += path.read_text().splitlines()
    return [line for line in prose if line.strip()][:400] + [line for line in code if line.strip()][:450]


def main():
    rng = random.Random(20240229)
    scripts = SCRIPTS.splitlines()
    words = sorted({word for line in scripts for word in line.split()}) + [
        "the",
        "The",
        "of",
        "hello",
        "world",
        "token",
        "ing",
        "über",
        "naïve",
    ]
    new = [chr(int(code, 16)) for code in NEW.split()]
    texts = (
        scripts
        + FIXED
        + ["a".join(new), "".join(new), " ".join(new[::2])]
        + BAD
        + list(drawn(rng, words))
        + repository_lines()
    )
    texts += ["\n".join(texts[i] for i in range(0, 60, 3))]
    unique = list(dict.fromkeys(escape(text) for text in texts))
    path = ROOT / "tests/cases/tokenizer/corpus.txt"
    path.write_text("".join(line + "\n" for line in unique))
    print(f"{path.relative_to(ROOT)}: {len(unique)} lines, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
