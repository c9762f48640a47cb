"""German words."""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

GERMAN = Language(
    headers={
        "sku": "sku nummer | artikelnummer, artikel nr, artikel nummer, artikelnr, art nr, "
        "artnr, art nummer, artikelcode, artikel code, produktnummer, produkt nr, produktcode, "
        "produkt code, warennummer, materialnummer, material nr, bestellnummer, bestell nr, "
        "interne referenz, interne nummer, variantennummer | artikel id, produkt id, "
        "artikelkennung, produktkennung | kode, referenz, plu nr, plu nummer",
        "parent_sku": "elternartikel, übergeordnet, vaterartikel",
        "name": "bezeichnung, artikelbezeichnung, produktbezeichnung, artikelname, produktname, "
        "artikel name, produkt name, warenbezeichnung, titel, artikel bezeichnung, benennung | "
        "artikel, produkt, produkte, ware | artikelbeschreibung, produktbeschreibung, "
        "artikeltext, bontext | beschreibung, bezeichnung 1, text | kurzbezeichnung, kurztext, "
        "kurzname",
        "brand": "marke, markenname",
        "category": "kategorie, kategorien, produktkategorie, artikelkategorie | abteilung | "
        "unterkategorie, warengruppe, artikelgruppe, produktgruppe, gruppe, sortiment, "
        "produktart, hauptwarengruppe, sparte",
        "size": "größe, groesse, inhalt, füllmenge, fuellmenge, nettofüllmenge, nettoinhalt, "
        "packungsgröße, packungsgroesse, gebindegröße, gebinde, verpackungsgröße, nettogewicht | "
        "volumen",
        "unit": "einheit, mengeneinheit, verkaufseinheit, maßeinheit, masseinheit, "
        "basismengeneinheit, me",
        "barcode": "strichcode, strich code, barcodenummer | ean nummer, ean nr, eannr",
        "price": "verkaufspreis, vk, vk preis, vkpreis, vk brutto, brutto vk, "
        "verkaufspreis brutto, preis brutto, bruttopreis, brutto preis, preis inkl mwst, "
        "preis inkl ust, verkaufspreis inkl mwst, ladenpreis, endpreis, endkundenpreis, "
        "aktueller preis, bruttoverkaufspreis, brutto verkaufspreis, preis mit mwst, "
        "kassenpreis, preis, preise, regulärer preis, regulaerer preis, normalpreis, "
        "einzelhandelspreis | | | uvp, unverbindliche preisempfehlung, "
        "empfohlener verkaufspreis",
        "promo_price": "aktionspreis, sonderpreis, angebotspreis, reduzierter preis, "
        "sonderangebotspreis, rabattpreis, werbepreis, preis aktion, preis reduziert, "
        "vk aktion | aktion, angebot, sonderangebot",
        "unit_price": "grundpreis*, stückpreis, stueckpreis, einzelpreis, einheitspreis, "
        "preis pro*, preis je*, preis kg, preis liter, kilopreis, literpreis, vergleichspreis",
        "lowest_price": "niedrigster preis*, niedrigster 30*, 30 tage bestpreis*, "
        "tiefster preis*, günstigster preis*",
        "anchor_price": "referenzpreis*, ankerpreis*",
        "net_price": "nettopreis*, preis netto*, netto vk*, vk netto*, verkaufspreis netto*, "
        "preis exkl*, preis ohne mwst*, preis zzgl*, nettoverkaufspreis*, netto preis",
        "wholesale_price": "großhandelspreis*, grosshandelspreis*, händlerpreis*, haendlerpreis*",
        "cost": "einkaufspreis, ek, ek preis, ek netto, einstandspreis, kosten, selbstkosten, "
        "einkaufspreis netto, wareneinsatz",
        "weighed": "nach gewicht, verkauf nach gewicht, gewichtsartikel, waagenartikel, "
        "wiegeartikel, waageartikel, waage, gewichtsware, lose ware",
        "inactive": "ausgeblendet, gesperrt, inaktiv, archiviert, gelöscht, ausgelaufen",
        "currency": "währung, waehrung, währungscode, waehrungscode",
        "stock": "bestand, lagerbestand, lagermenge, verfügbarer bestand, verfuegbarer bestand, "
        "aktueller bestand, verfügbare menge, verfuegbare menge, bestandsmenge, filialbestand, "
        "istbestand, ist bestand | lager, inventar, saldo | menge, anzahl, stück, stueck, stk, "
        "stückzahl, stueckzahl",
        "stock_status": "lagerstatus, bestandsstatus | verfügbarkeit, verfuegbarkeit, "
        "lieferstatus | vorrätig, vorraetig, verfügbar, verfuegbar, auf lager, lieferbar",
        "tax_rate": "mwst, mwst satz, mehrwertsteuer, steuersatz, ust, ust satz, steuer",
        "description": "beschreibung, langtext, kurzbeschreibung, langbeschreibung, "
        "detailbeschreibung",
        "image_url": "bild, bilder, bild url, foto, bildlink",
        "active": "aktiv, freigegeben, aktiviert | | veröffentlicht, veroeffentlicht, sichtbar",
        "model": "modell, modellnummer, modell nr, modellnr, modell nummer, modellcode",
        "msrp": "uvp, unverbindliche preisempfehlung, empfohlener verkaufspreis, listenpreis",
        "tags": "schlagwörter, schlagworte, stichwörter",
        "manufacturer": "hersteller, produzent, erzeuger | lieferant",
        "origin": "herkunft, herkunftsland, ursprungsland",
        "warehouse": "lagerort",
        "updated_at": "aktualisiert, aktualisiert am, geändert, geändert am, letzte änderung, "
        "änderungsdatum",
        "outlet": "filiale, filialname, filialnummer, filial nr, niederlassung | markt, laden, "
        "geschäft, standort, verkaufsstelle",
    },
    in_stock="auf lager, lagernd, verfügbar, verfuegbar, vorrätig, vorraetig, sofort lieferbar, "
    "lieferbar, ja, j, wahr, vorhanden, ab lager, sofort verfügbar, am lager, unbegrenzt",
    limited_stock="geringer bestand, wenige, nur noch wenige, knapp, begrenzt, wenig bestand, "
    "wenige stück, nur noch wenige verfügbar, fast ausverkauft, restposten, begrenzt verfügbar, "
    "nur wenige vorrätig, niedriger bestand",
    out_of_stock="ausverkauft, nicht verfügbar, nicht verfuegbar, nicht auf lager, "
    "nicht vorrätig, nicht vorraetig, nicht lieferbar, vergriffen, nein, falsch, nachbestellt, "
    "lieferrückstand, vorbestellbar, nicht vorhanden, derzeit nicht verfügbar, nicht am lager, "
    "im rückstand, auf bestellung, auslaufartikel, nicht lagernd",
    yes="ja, j, wahr, aktiv, aktiviert, veröffentlicht, freigegeben, sichtbar, ein",
    no="nein, falsch, inaktiv, deaktiviert, gesperrt, entwurf, archiviert, nicht aktiv, "
    "nicht veröffentlicht, ausgeblendet, aus, gelöscht, ausgelistet, versteckt",
    units="gramm, kilogramm, kilo",
    pieces="stk, stück, stueck, st",
)
