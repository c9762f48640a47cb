"""Words of goods and of price lists, by language: what Babel lacks. Used by `letters` alone."""

from __future__ import annotations

GOODS: dict[str, str] = {
    "he": "חלב לחם אורז סוכר מים תה קפה שמן גבינה חמאה ביצים מיץ מלח קמח עוף בשר דג תפוח "
    "עגבניות בצל סבון שוקולד ביסקוויט לבן שחור אדום טרי שם מחיר ברקוד כמות מוצר פריט קוד גרם "
    "ליטר יחידה",
    "ar": "حليب خبز أرز سكر ماء مياه شاي قهوة زيت جبنة جبن زبدة بيض عصير ملح طحين دقيق دجاج لحم "
    "سمك تفاح طماطم بصل صابون شوكولاتة بسكويت أبيض أسود أحمر طازج الاسم السعر الباركود الكمية "
    "المنتج الصنف الرمز اسم سعر كمية منتج صنف غرام لتر حبة",
    "fa": "شیر نان برنج شکر آب چای قهوه روغن پنیر کره نام قیمت بارکد تعداد کالا",
    "tr": "süt ekmek pirinç şeker su çay kahve yağ yağı peynir tereyağı yumurta yoğurt tuz un "
    "tavuk balık elma domates soğan sabun çikolata bisküvi beyaz siyah kırmızı taze adı ürün "
    "fiyat fiyatı barkod miktar birim açıklama köfte zeytin zeytinyağı çorba",
    "ru": "молоко хлеб рис сахар вода чай кофе масло сыр яйца сок соль мука курица мясо рыба "
    "яблоко помидоры лук мыло шоколад печенье белый черный красный свежий название наименование "
    "цена штрихкод количество товар артикул код остаток кефир творог сметана колбаса",
    "uk": "молоко хліб рис цукор вода чай кава олія сир яйця сік сіль борошно назва ціна товар код",
    "bg": "мляко хляб ориз захар вода чай кафе олио сирене кашкавал масло яйца сок сол брашно "
    "месо риба ябълки домати лук сапун шоколад бисквити име наименование цена баркод количество "
    "код",
    "sr": "млеко хлеб пиринач шећер вода чај кафа уље сир маслац јаја сок со брашно назив цена "
    "шифра",
    "el": "γάλα ψωμί ρύζι ζάχαρη νερό τσάι καφές λάδι ελαιόλαδο τυρί βούτυρο αυγά χυμός αλάτι "
    "αλεύρι κοτόπουλο κρέας ψάρι μήλο ντομάτες κρεμμύδι σαπούνι σοκολάτα όνομα τιμή κωδικός "
    "περιγραφή ποσότητα προϊόν φρέσκο",
    "cs": "mléko chléb rýže cukr čaj káva olej sýr máslo vejce šťáva sůl mouka kuře maso jablko "
    "rajče cibule mýdlo čokoláda sušenky bílý černý červený čerstvý název množství kód zboží "
    "jméno položka",
    "sk": "mlieko chlieb ryža čaj káva syr vajcia šťava soľ múka názov množstvo kód tovar čokoláda",
    "pl": "mleko chleb ryż cukier woda herbata kawa olej ser masło jajka sok sól mąka kurczak "
    "mięso ryba jabłko cebula mydło czekolada biały czarny świeży żółty nazwa ilość śmietana "
    "łosoś",
    "hu": "tej kenyér rizs cukor víz tea kávé olaj sajt vaj tojás gyümölcslé só liszt csirke "
    "hús hal alma paradicsom hagyma szappan csokoládé fehér fekete megnevezés ár mennyiség "
    "cikkszám tejföl",
    "hr": "mlijeko kruh riža šećer voda čaj kava ulje sir maslac jaja sok sol brašno piletina "
    "meso riba jabuka rajčica sapun čokolada žuti crni svježe naziv cijena šifra količina",
    "ro": "lapte pâine orez zahăr apă ceai cafea ulei brânză unt ouă suc sare făină preț denumire",
    "de": "milch brot reis zucker wasser tee kaffee öl käse butter eier saft salz mehl hähnchen "
    "fleisch fisch äpfel müsli nüsse weiß weißbrot frühstück gemüse getränke süß größe stück "
    "menge",
    "fr": "lait pain riz sucre eau thé café huile fromage beurre œufs jus sel farine poulet "
    "bœuf pâté crème fraîche désignation référence quantité pâtes épicé léger entière libellé",
    "es": "leche pan arroz azúcar agua té café aceite queso huevos jamón piña plátano champiñón "
    "atún limón código descripción categoría artículo niño tamaño español",
    "pt": "leite pão arroz açúcar água chá café azeite queijo maçã feijão descrição código preço",
    "sv": "mjölk bröd ägg ost smör kött fisk äpple lök tvål choklad kött benämning pris antal "
    "grädde",
    "da": "mælk brød æg smør kød øl rødvin hvidløg løg sæbe pålæg fløde køb stk",
    "fi": "maito leipä riisi sokeri tee kahvi öljy juusto kananmuna pähkinä nimi hinta määrä "
    "jäätelö",
    "lt": "pienas duona ryžiai sviestas sūris kiaušiniai obuolys pavadinimas kaina grietinė "
    "šokoladas",
    "ja": "牛乳 パン 米 砂糖 水 茶 コーヒー 油 チーズ バター 卵 塩 醤油 商品名 価格 商品コード "
    "数量 単価",
    "zh": "牛奶 面包 大米 白糖 水 茶 咖啡 油 酱油 鸡蛋 盐 名称 价格 编号 条码 数量 商品 单价 "
    "规格 品名",
    "zh_Hant": "牛奶 鮮奶 麵包 白米 糖 茶 咖啡 醬油 雞蛋 鹽 名稱 價格 編號 條碼 數量 商品 單價",
    "ko": "우유 빵 쌀 설탕 물 차 커피 기름 치즈 버터 계란 소금 간장 상품명 가격 코드 수량",
}
"""Language -> words with letters beyond ASCII, most of them."""
