"""Croatian, Bosnian, Serbian (both scripts) and Bulgarian words, as their price lists must have.

Croatian chains publish a list per store by law; each spells the columns in its own way.
"""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

CROATIAN_SERBIAN = Language(
    headers={
        "sku": "sku šifra | šifra proizvoda, šifra artikla, šifra robe, šif art, šif artikla, "
        "šifra art, kod proizvoda, kod artikla, broj artikla, šif proizvoda, interna šifra, "
        "kataloški broj, шифра производа, шифра артикла, шифра робе, код производа | "
        "id proizvoda, id artikla | šifra, šif, kod, шифра, код",
        "name": "naziv, naziv proizvoda, naziv artikla, naziv robe, ime proizvoda, ime artikla, "
        "naz art, naziv art, naziv proizvoda puni, назив, назив производа, назив артикла, "
        "назив робе | proizvod, artikl, artikal, proizvodi, artikli, roba, производ, артикал, "
        "роба | opis proizvoda, opis artikla, опис производа, опис артикла | opis, опис | "
        "kratki naziv, skraćeni naziv",
        "brand": "marka, robna marka, marka proizvoda, brend, robna marka proizvoda, "
        "marka artikla, марка, бренд, робна марка, робна марка производа",
        "category": "kategorija, kategorija proizvoda, kategorija artikla, kategorije, kateg, "
        "категорија, категорија производа, назив категорије, naziv kategorije | odjel, "
        "odeljenje, odjeljenje, одељење | podkategorija, potkategorija, grupa, grupa artikala, "
        "robna grupa, vrsta proizvoda, skupina, група, робна група",
        "size": "neto količina, neto kol, net kol, neto kol proizvoda, količina proizvoda, "
        "veličina pakiranja, pakiranje, pakovanje, gramatura, neto težina, zapremina, "
        "нето количина, паковање, грамажа, neto količina proizvoda | volumen, sadržaj | veličina",
        "unit": "jedinica mjere, jedinica mere, jed mjere, jed mere, jm, jmj, j mj, "
        "mjerna jedinica, merna jedinica, јединица мере, јм, мерна јединица, јед мере, jedinica, "
        "јединица",
        "barcode": "barkod, bar kod, barkod proizvoda, barkod artikla, bar kod artikla, "
        "barkodovi, баркод, бар код, crtični kod | ean kod, kod ean, еан код, gtin kod",
        "price": "mpc, mpc s pdv, mpc sa pdv, maloprodajna cijena, maloprodajna cena, "
        "maloprod cijena, mp cijena, mp cena, prodajna cijena, prodajna cena, cijena s pdv, "
        "cijena sa pdv, cena sa pdv, maloprodajna cijena s pdv, maloprodajna cena sa pdv, "
        "maloprodajna cijena proizvoda, trenutna cijena, важећа цена, малопродајна цена, "
        "продајна цена, мп цена, мпц, цена са пдв, cijena, cena, cijena proizvoda, "
        "cena proizvoda, redovna cijena, redovna cena, redovna maloprodajna cijena, redovna mpc, "
        "cijena artikla, cena artikla, cijene, цена, редовна цена, цена производа",
        "promo_price": "mpc za vrijeme posebnog oblika prodaje, "
        "maloprodajna cijena za vrijeme posebnog oblika prodaje, mpc poseb oblik prod, "
        "mpc posebnog oblika prodaje, mpc posebna prodaja, mpc pop, posebna prodaja, "
        "cijena za vrijeme posebnog oblika prodaje, maloprodajna cijena akcija, akcijska cijena, "
        "akcijska cena, cijena akcija, cena akcija, akcijska mpc, mpc akcija, mpc akcijska, "
        "snižena cijena, snižena cena, cijena na akciji, posebna cijena, specijalna cijena, "
        "promotivna cijena, promotivna cena, cijena s popustom, cena sa popustom, акцијска цена, "
        "снижена цена, промотивна цена, цена на акцији | akcija, акција",
        "unit_price": "cijena za jedinicu mjere*, cijena po jedinici*, cijena jedinice mjere*, "
        "cijena za jed mjere*, cijena za jedinicu*, cijena jm, c jmj, cijena po jm*, "
        "cijena po kg*, cijena za kg*, cijena po l*, cijena po kom*, jedinična cijena*, "
        "jedinična cena*, cena za jedinicu mere*, cena po jedinici*, cena za jed mere*, "
        "cena po jm*, cena po kg*, cijena za mjernu jedinicu*, цена по јединици*, "
        "цена за јединицу*, цена по кг*, cijena kg, cijena l",
        "lowest_price": "najniža cijena*, najniža cena*, najniža mpc*, c najniža*, "
        "najniža maloprodajna*, најнижа цена*",
        "anchor_price": "sidrena cijena*, sidrena cena*, sidrena mpc*, sidrena maloprodajna*, "
        "c sidrena*, sidrena*, усидрена цена*",
        "net_price": "cijena bez pdv*, cena bez pdv*, neto cijena, neto cena, mpc bez pdv*, "
        "цена без пдв*",
        "wholesale_price": "vpc*, veleprodajna cijena*, veleprodajna cena*, vp cijena, vp cena, "
        "велепродајна цена*",
        "cost": "nabavna cijena, nabavna cena, nc, trošak, набавна цена",
        "weighed": "na vagu, vaganje, vaganja roba, prodaja na vagu, mjeri se, meri se, "
        "na kilogram, tezinski artikl, težinski artikal, вага, на вагу",
        "inactive": "skriveno, sakriven, blokiran, neaktivan, arhivirano, obrisan, неактиван",
        "currency": "valuta, валута",
        "stock": "zaliha, zalihe, stanje, stanje zaliha, stanje zalihe, količina na zalihi, "
        "količina na stanju, raspoloživo stanje, raspoloživa količina, trenutno stanje, "
        "stanje na skladištu, залиха, залихе, стање, стање залиха, количина на стању | inventar, "
        "saldo | količina, kol, komada, количина, кол, комада",
        "stock_status": "status zaliha, stanje dostupnosti, статус залиха | dostupnost, "
        "raspoloživost, доступност | na zalihi, na stanju, dostupno, на стању",
        "tax_rate": "pdv, stopa pdv, porezna stopa, poreska stopa, пдв, стопа пдв",
        "description": "opis, dugi opis, detalji, kratki opis, опис",
        "image_url": "slika, slike, url slike, слика",
        "active": "aktivan, aktivno, aktivna, активан, активно | статус | objavljeno",
        "model": "broj modela, šifra modela, oznaka modela, модел, број модела, шифра модела",
        "manufacturer": "proizvođač, proizvodjac, произвођач | dobavljač, dobavljac, добављач",
        "origin": "zemlja porijekla, zemlja podrijetla, zemlja porekla, podrijetlo, porijeklo, "
        "земља порекла",
        "warehouse": "skladište, skladiste, складиште",
        "updated_at": "datum izmjene, datum izmene, ažurirano, zadnja izmjena, vrijeme izmjene, "
        "датум измене",
        "outlet": "poslovnica, oznaka poslovnice, šifra poslovnice | prodavaonica, trgovina, "
        "dućan, prodavnica, prodajno mjesto, prodajni objekt, prodajni objekat, продавница",
    },
    in_stock="na zalihi, na stanju, na lageru, dostupno, dostupan, dostupna, raspoloživo, ima, "
    "da, на стању, доступно, има, да, на лагеру, istina, na skladištu",
    limited_stock="ograničeno, malo, još malo, male zalihe, mala zaliha, posljednji komadi, "
    "ograničena količina, zadnji komadi, poslednji komadi, последњи комади, мало, при крају, "
    "niska zaliha, pri kraju",
    out_of_stock="nema, nema na zalihi, nije na zalihi, nije na stanju, nema na stanju, "
    "nedostupno, nije dostupno, rasprodano, rasprodato, nema zaliha, ne, нема, нема на стању, "
    "није на стању, распродато, недоступно, laž, po narudžbi, trenutno nedostupno, "
    "nije raspoloživo, nedostupan",
    yes="da, aktivan, aktivno, aktivna, uključeno, objavljeno, vidljivo, да, активан, активно, "
    "istina, u prodaji",
    no="ne, neaktivan, neaktivno, neaktivna, isključeno, skriveno, nacrt, не, неактиван, "
    "неактивно, laž, arhivirano, nije aktivan, nije aktivno, nije u prodaji, ukinuto",
    units="litra, litara, kilograma, кг, г, гр, л, мл",
    pieces="kom, komad, komada, ком, комад",
)

BULGARIAN = Language(
    headers={
        "sku": "код на продукта, код на артикула, код на стоката, код продукт, код артикул, "
        "номер на продукта, артикулен номер, артикул номер, каталожен номер, вътрешен код | | | "
        "код",
        "name": "наименование, наименование на продукта, наименование на стоката, "
        "наименование на артикула, име, име на продукта, име на продукт, име на артикула, "
        "заглавие, наименование на продукт | продукт, артикул, стока, продукти, артикули, "
        "стоки | описание на продукта, описание на артикула | описание",
        "brand": "марка, търговска марка, бранд",
        "category": "категория, категории, категория на продукта | отдел | подкатегория, група, "
        "стокова група, вид, тип",
        "size": "нетно количество, размер, разфасовка, опаковка, грамаж, нетно тегло, "
        "съдържание | обем",
        "unit": "мярка, мерна единица, единица мярка, м ед, мер единица",
        "barcode": "баркод, бар код, баркод на продукта, щрихкод, щрих код | еан",
        "price": "продажна цена, цена с ддс, цена на дребно с ддс, продажна цена с ддс, "
        "крайна цена, цена за потребителя, текуща цена, цена, цени, цена на дребно, "
        "редовна цена, цена на продукта, нормална цена",
        "promo_price": "цена в промоция, промоционална цена, промо цена, цена промоция, "
        "намалена цена, специална цена, цена с отстъпка, цена при промоция, акционна цена | "
        "промоция, промо",
        "unit_price": "единична цена*, цена за единица*, цена за кг*, цена за килограм*, "
        "цена за литър*, цена за л, цена за мерна единица*, цена на единица*",
        "lowest_price": "най ниска цена*",
        "anchor_price": "референтна цена*",
        "net_price": "цена без ддс*, нетна цена, продажна цена без ддс*, цена на дребно без ддс*",
        "wholesale_price": "цена на едро*",
        "cost": "доставна цена, покупна цена, себестойност, цена на доставка",
        "weighed": "на тегло, продава се на тегло, теглови, кантарен, на кантар",
        "inactive": "скрит, блокиран, неактивен, архивиран, изтрит",
        "currency": "валута",
        "stock": "наличност, наличности, налично количество, складова наличност, "
        "количество на склад, наличност в склада | салдо, инвентар | количество, брой, бройки, бр",
        "stock_status": "статус на наличност, състояние на наличност | достъпност | налично, "
        "наличен, в наличност",
        "tax_rate": "ддс, данък, ставка ддс",
        "description": "описание, подробно описание, детайли",
        "image_url": "снимка, изображение",
        "active": "активен, активно | статус, състояние | публикуван",
        "model": "модел, номер на модела, код на модела",
        "tags": "етикети, тагове",
        "manufacturer": "производител | доставчик",
        "origin": "произход, страна на произход",
        "warehouse": "склад",
        "updated_at": "дата на промяна, последна промяна, обновено",
        "outlet": "търговски обект, обект, код на обект | магазин, филиал",
    },
    in_stock="налично, наличен, налична, в наличност, има, на склад, да, има наличност, налични, "
    "истина",
    limited_stock="ограничена наличност, ограничено, последни бройки, малко, "
    "ограничено количество, ниска наличност, последен брой",
    out_of_stock="неналично, няма, няма наличност, изчерпан, изчерпано, изчерпана, не е налично, "
    "липсва, не е в наличност, няма в наличност, неналичен, не, лъжа, изчерпани, по поръчка, "
    "временно изчерпан, изчерпана наличност",
    yes="да, активен, активно, активна, публикуван, видим, истина, в продажба",
    no="не, неактивен, неактивно, неактивна, скрит, чернова, изключен, лъжа, архивиран, "
    "не е активен, спрян",
    units="литър, литра, килограм, грам, грама",
    pieces="бр, брой, бройки",
)
