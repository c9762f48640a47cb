"""CSV files that are odd and valid, and what must be read from them."""

from __future__ import annotations

from typing import Any

from marketsync_dagster_tests.pos.corpus.cases import Odd

TWO = {"sku": ["001", "002"], "name": ["Tea", "Rice"], "price_minor": [150, 299]}
ROWS = "sku,name,price\n001,Tea,1.50\n002,Rice,2.99\n"
ARABIC = "sku;name;price\n" + "".join(
    f"0{i};{name};1,50\n"
    for i, name in enumerate(
        ["شاي أسود بالنعناع", "أرز بسمتي هندي طويل الحبة", "زيت زيتون بكر ممتاز", "خبز أسمر طازج",
         "حليب كامل الدسم", "جبنة بيضاء قليلة الملح", "عصير برتقال طبيعي", "قهوة عربية بالهيل"]
    )
)  # fmt: skip
TURKISH = "sku;name;price\n" + "".join(
    f"0{i};{name};1.299,90 TL\n"
    for i, name in enumerate(
        ["Beyaz peynir yağlı İzmir", "Çiçek yağı beş litre", "Türk kahvesi öğütülmüş",
         "Şeker küp şekeri", "Yoğurt süzme yoğurdu", "Ekşi nar ekşisi", "Fındık içi kavrulmuş"]
    )
)  # fmt: skip


def prices(name: str, texts: list[str], minor: list[int], **spec: Any) -> Odd:
    """A file of prices, quoted."""
    rows = "".join(f'"{i:03}","{text}"\n' for i, text in enumerate(texts))
    return Odd(name, ("sku,price\n" + rows).encode(), {"price_minor": minor}, spec)


CASES = [
    Odd("plain", ROWS.encode(), {**TWO, "line": [2, 3], "currency": ["KES", "KES"]}),
    Odd("UTF-8 with byte order mark", b"\xef\xbb\xbf" + ROWS.encode(), TWO,
        also={"encoding": "utf-8-sig"}),
    Odd("UTF-16 with byte order mark", ROWS.encode("utf-16"), TWO, also={"encoding": "utf-16"}),
    Odd("UTF-16 without byte order mark", ROWS.encode("utf-16-le"), TWO,
        also={"encoding": "utf-16-le"}),
    Odd("UTF-16 big endian", ROWS.encode("utf-16-be"), TWO, also={"encoding": "utf-16-be"}),
    Odd("Windows-1250, declared", "sku,name,price\n1,Šećer žuti,1.5\n".encode("cp1250"),
        {"name": ["Šećer žuti"]}, {"encoding": "windows-1250"}, {"encoding": "cp1250"}),
    Odd("Windows-1256, found", ARABIC.encode("cp1256"),
        {"name": [line.split(";")[1] for line in ARABIC.splitlines()[1:]]},
        also={"encoding": "cp1256"}),
    Odd("Windows-1254, declared", TURKISH.encode("cp1254"),
        {"name": [line.split(";")[1] for line in TURKISH.splitlines()[1:]],
         "price_minor": [129990] * 7}, {"currency": "TRY", "encoding": "windows-1254"},
        {"encoding": "cp1254"}),
    Odd("semicolons", ROWS.replace(",", ";").encode(), TWO, also={"delimiter": ";"}),
    Odd("tabs", ROWS.replace(",", "\t").encode(), TWO, also={"delimiter": "\t"}),
    Odd("pipes", ROWS.replace(",", "|").encode(), TWO, also={"delimiter": "|"}),
    Odd("a declared delimiter", ROWS.replace(",", "~").encode(), TWO, {"delimiter": "~"}),
    Odd("sep= line", b"sep=;\n" + ROWS.replace(",", ";").encode(), {**TWO, "line": [3, 4]},
        also={"header_line": 2}),
    Odd("CRLF", ROWS.replace("\n", "\r\n").encode(), {**TWO, "line": [2, 3]}),
    Odd("lone CR", ROWS.replace("\n", "\r").encode(), {**TWO, "line": [2, 3]}),
    Odd("no line end at the end", ROWS.rstrip().encode(), TWO),
    Odd("blank lines", b"\n\nsku,price\n\nA,1\n\n , \n,\nB,2\n\n", {"line": [5, 9]},
        also={"header_line": 3, "records": 2}),
    Odd("delimiter at each line's end", ROWS.replace("\n", ",\n").encode(), TWO),
    Odd("delimiter at the end of records only", b"sku,price\nA,1,\nB,2,\nC,3\n",
        {"sku": ["A", "B", "C"], "line": [2, 3, 4]}),
    Odd("title lines", b"Westlands Branch\nPrice list;;\n\n" + ROWS.encode(),
        {**TWO, "line": [5, 6]}),
    Odd("a declared count", b"Rows: 2\n" + ROWS.encode() + b"Records: 2\nEnd of report\n", TWO,
        also={"records": 2}),
    Odd("everything quoted",
        b'"sku","name","price"\r\n"001","Tea","1.50"\r\n"002","Rice","2.99"\r\n',
        TWO),
    Odd("quotes and delimiters in values", b'sku,name,price\n1,"5"" nail, steel",1.5\n',
        {"name": ['5" nail, steel'], "price_minor": [150]}),
    Odd("quotes inside bare values", b'sku,name,price\n1,TV 32" LED,1.5\n2,"a",2\n',
        {"name": ['TV 32" LED', "a"]}),
    Odd("blanks around quotes", b'sku, name, price\n1, "a, b" , 1.5\n2,c,2\n',
        {"name": ["a, b", "c"]}),
    Odd("values of several lines", b'sku,name,price\n1,"a\nb\r\nc",1.5\n2,d,2\n',
        {"name": ["a b c", "d"], "line": [2, 5]}),
    Odd("a header of two lines", b'sku,"product\nname",price\n1,a,1.5\n',
        {"sku": ["1"], "line": [3]},
        also={"columns": {"sku": "sku", "name": "product\nname", "price": "price"}}),
    Odd("blanks around values", "sku , price \n\u00a0A1\t, 1.50 \n".encode(), {"sku": ["A1"],
        "price_minor": [150]}),
    Odd("protected zeros", b'sku,barcode,price\n"=""00123""","=""5901234123457""",1\n',
        {"sku": ["00123"], "barcode": ["5901234123457"], "barcode_note": [None]}),
    Odd("SKUs that look odd", 'sku,price\nA/B,1\n1E10,2\nÄ-7,3\n00 1,4\n-5,5\n1.25,6\n'.encode(),
        {"sku": ["A/B", "1E10", "Ä-7", "00 1", "-5", "1.25"]}),
    Odd("other header words", b"Item Code;Item Name;EAN;Selling Price;Qty On Hand\n7;Tea;;1,50;3\n",
        {"sku": ["7"], "name": ["Tea"], "barcode": [None], "price_minor": [150], "quantity": [3]}),
    Odd("configured columns", b"A,B,C\n007,Tea,9\n", {"sku": ["007"], "price_minor": [900]},
        {"columns": {"sku": "A", "price": "c"}}, {"ignored": ["B"]}),
    Odd("unnamed and unused columns", b"sku,,price,shelf,\nA,x,1,9,\n", {"price_minor": [100]},
        also={"ignored": ["shelf"]}),
    Odd("promo price without price", b"sku,price,special price\nA,,0.89\nB,1.50,\nC,2,1.75\n",
        {"price_minor": [None, 150, 200], "promo_price_minor": [89, None, 175]}),
    Odd("promo price of zero", b"sku,price,promo\nA,2.00,0.00\n",
        {"price_minor": [200], "promo_price_minor": [None]},
        also={"warnings": ["1 promo price of zero is read as no promotion"]}),
    Odd("a promotion at the regular price", b"sku,price,promo\nA,2.00,1\nB,2.00,2\n",
        {"promo_price_minor": [100, 200]}),
    Odd("database NULL", b"sku,price,promo,qty\nA,2.00,NULL,\\N\n",
        {"promo_price_minor": [None], "quantity": [None]}),
    Odd("exact duplicates", b"sku,price\nA,1.00\nB,2\n A , KES 1\nA,1\n",
        {"sku": ["A", "B"], "line": [2, 3]}, also={"duplicates": 2, "records": 4}),
    Odd("duplicates, first", b"sku,price\nA,1\nB,2\nA,3\n", {"sku": ["A", "B"],
        "price_minor": [100, 200]}, {"duplicates": "first"}, {"duplicates": 1}),
    Odd("duplicates, last", b"sku,price\nA,1\nB,2\nA,3\n", {"sku": ["B", "A"],
        "price_minor": [200, 300], "line": [3, 4]}, {"duplicates": "last"}, {"duplicates": 1}),
    Odd("barcodes", b"sku,price,ean\n1,1,5901234123457\n2,1,5901234123450\n3,1,036000291452\n"
        b"4,1,96385074\n5,1,123\n6,1,5.90123E+12\n7,1,\n8,1,05901234123457\n9,1,15901234123454\n"
        b"10,1,ABC\n",
        {"barcode": ["5901234123457", None, "0036000291452", "96385074", None, None, None,
                     "5901234123457", "15901234123454", None],
         "barcode_note": [None, "not a GTIN: check digit", None, None, "not a GTIN: 3 digits",
                          "damaged by a spreadsheet", None, None, None,
                          "not a GTIN: not only digits"]}),
    Odd("quantities",
        b'sku,price,qty\n1,1.5,3\n2,1,2.7\n3,1,-1\n4,1,-0.5\n5,1,\n6,1,"1,234"\n7,1,007\n',
        {"quantity": [3, 2, -1, -1, None, 1234, 7]}),
    Odd("quantities with decimal commas", b"sku;price;qty\n1;1,5;2,7\n2;1;1.234\n",
        {"quantity": [2, 1234]}),
    Odd("stock words",
        b"sku,price,availability\n1,1,In Stock\n2,1,LOW\n3,1,sold out\n4,1,\n5,1,0\n",
        {"stock_status": ["in_stock", "limited_stock", "out_of_stock", None, "out_of_stock"]}),
    Odd("active words", b"sku,price,active\n1,1,Yes\n2,1,no\n3,1,\n4,1,0\n",
        {"active": [True, False, True, False]}),
    Odd("models for SKUs", b"SKU;Modell-Nr.;Preis\nA1;x;1\n;M 2;1\nnull;0003;1\n",
        {"sku": ["A1", "M 2", "0003"], "line": [2, 3, 4]}, also={"warnings": [
            "2 rows have no SKU: their models, such as 'M 2', are taken as their SKUs"]}),
    Odd("a currency column", b"sku,price,currency\n1,1,KES\n2,1,Ksh\n3,1,\n4,1,kes\n",
        {"currency": ["KES"] * 4}),
    prices("Kenyan prices", ["KES 1,600", "60/=", "Ksh. 1,299.90", "KSh250", "1,600.00 KES",
                             "1\u00a0250.50", "Sh 5", "1500/-"],
           [160000, 6000, 129990, 25000, 160000, 125050, 500, 150000]),
    prices("Turkish prices", ["1.299,90 TL", "₺ 12,5", "1.234", "0,99", "1.234.567,00"],
           [129990, 1250, 123400, 99, 123456700], currency="TRY"),
    prices("euro prices", ["3,15 €", "€ 1.299", "EUR 5", "60,-", "1 299,90"],
           [315, 129900, 500, 6000, 129990], currency="EUR"),
    prices("Arabic-Indic digits", ["١٢٫٥٠", "١٬٢٩٩٫٩٠", "د.إ ٥", "۱۲"], [1250, 129990, 500, 1200],
           currency="AED"),
    prices("Swiss and Indian grouping", ["1'299.90", "1’000", "12,34,567.50", ".99"],
           [129990, 100000, 123456750, 99], currency="INR"),
    prices("thousands by the point of others", ["1,234", "5.50"], [123400, 550]),
    prices("declared decimal comma", ["1.234", "1,5"], [123400, 150], decimal=","),
    prices("declared decimal point", ["1,234", "7"], [123400, 700], decimal="."),
    prices("dinars", ["1.250", "0.500", "12", "1,000.125"], [1250, 500, 12000, 1000125],
           currency="KWD"),
    prices("yen", ["¥1,200", "1,234,567", "12.00"], [1200, 1234567, 12], currency="JPY"),
    prices("zeros behind the decimals", ["12.500", "3.50"], [1250, 350]),
]  # fmt: skip
