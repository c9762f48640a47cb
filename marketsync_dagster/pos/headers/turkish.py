"""Turkish words."""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

TURKISH = Language(
    headers={
        "sku": "stok kodu sku, sku kodu, stok tutma birimi | stok kodu, stok kod, stok no, "
        "ürün kodu, ürün kod, ürün no, ürün numarası, malzeme kodu, mal kodu, madde kodu, "
        "satıcı stok kodu, tedarikçi stok kodu, artikel kodu, dahili referans | ürün id, "
        "stok id, ürün kimliği | kod, kodu, referans, plu kodu, plu no",
        "parent_sku": "ana ürün kodu, ana ürün, üst ürün, ebeveyn, ana stok kodu, model kodu",
        "name": "ürün adı, ürün ismi, stok adı, stok ismi, malzeme adı, mal adı, isim, ad, adı, "
        "başlık, ürün başlığı, ürünün adı, malın cinsi | ürün, ürünler, malzeme | "
        "ürün açıklaması, stok açıklaması, malzeme açıklaması | açıklama, tanım | kısa ad, "
        "kısa isim",
        "brand": "marka, marka adı, markası",
        "category": "kategori, kategoriler, kategori adı, kategori ismi, ürün kategorisi | "
        "departman, bölüm, reyon | alt kategori, grup, ürün grubu, stok grubu, grup adı, "
        "ana grup, ürün tipi, tür, ürün türü, alt grup",
        "size": "ebat, boyut, net miktar, net içerik, gramaj, hacim, ambalaj, ambalaj miktarı, "
        "paket boyutu, net ağırlık, beden",
        "unit": "birim, ölçü birimi, ölçü birim, satış birimi, birimi, ana birim",
        "barcode": "barkod, barkodu, barkod no, barkod numarası, ürün barkodu, barkodlar | "
        "ean kodu",
        "price": "satış fiyatı, satış fiyat, satış fiyatı kdv dahil, kdv dahil satış fiyatı, "
        "kdv dahil fiyat, kdv dahil fiyatı, kdvli fiyat, kdvli satış fiyatı, fiyat kdv dahil, "
        "etiket fiyatı, raf fiyatı, güncel fiyat, kasa fiyatı, tüketici fiyatı, fiyat, fiyatı, "
        "fiyatlar, perakende fiyat, perakende fiyatı, perakende satış fiyatı, normal fiyat, "
        "ürün fiyatı, normal fiyatı | | | tavsiye edilen satış fiyatı, psf, piyasa satış fiyatı, "
        "piyasa satış fiyatı kdv dahil",
        "promo_price": "indirimli fiyat, indirimli fiyatı, indirimli satış fiyatı, "
        "kampanya fiyatı, kampanyalı fiyat, promosyon fiyatı, promosyonlu fiyat, özel fiyat, "
        "aktüel fiyat, fırsat fiyatı, kampanyalı satış fiyatı | kampanya, promosyon",
        "unit_price": "birim fiyat*, birim fiyatı*, kg fiyatı, kilo fiyatı, litre fiyatı, "
        "kilogram fiyatı, ölçü birim fiyatı",
        "lowest_price": "en düşük fiyat*, son 30 gün*",
        "anchor_price": "referans fiyat*",
        "net_price": "kdv hariç fiyat*, kdv hariç satış fiyatı*, kdvsiz fiyat*, net fiyat, "
        "fiyat kdv hariç*, satış fiyatı kdv hariç*, kdvsiz satış fiyatı*",
        "wholesale_price": "toptan fiyat*, toptan satış fiyatı*, bayi fiyatı*",
        "cost": "maliyet, maliyeti, alış fiyatı, alış fiyat, maliyet fiyatı, alım fiyatı, "
        "birim maliyet, geliş fiyatı",
        "weighed": "tartılı, tartılı ürün, tartılabilir, terazi ürünü, terazili, kiloyla satılır, "
        "ağırlıkla satılır, gramajlı",
        "inactive": "gizli, pasif, pasif mi, silindi, arşivlendi",
        "currency": "para birimi, döviz, döviz cinsi, para birimi kodu, döviz tipi",
        "stock": "stok, stok miktarı, stok adedi, stok adet, mevcut stok, stok bakiye, "
        "stok bakiyesi, eldeki miktar, mevcut miktar, depo miktarı, stoktaki miktar, "
        "kalan miktar, kalan stok, stok sayısı, stok miktar, güncel stok, toplam stok | "
        "envanter, bakiye, mevcut | miktar, adet, miktarı, adedi",
        "stock_status": "stok durumu, stok durum | bulunabilirlik, stok bilgisi | stokta, "
        "stokta var, stokta mı, stokta var mı",
        "tax_rate": "kdv, kdv oranı, vergi, vergi oranı",
        "description": "açıklama, uzun açıklama, detaylar, detaylı açıklama, kısa açıklama",
        "image_url": "resim, görsel, görseller, görsel url, resim url, fotoğraf",
        "active": "aktif, aktif mi, etkin | durum, durumu, ürün durumu, satış durumu | yayında, "
        "yayımlanmış, yayınlandı",
        "model": "model adı, model no, model numarası",
        "msrp": "tavsiye edilen satış fiyatı, psf, piyasa satış fiyatı, "
        "piyasa satış fiyatı kdv dahil, liste fiyatı, piyasa fiyatı",
        "tags": "etiketler",
        "manufacturer": "üretici, üretici firma, imalatçı | tedarikçi",
        "origin": "menşei, menşe, menşe ülke, üretim yeri",
        "warehouse": "depo, depo adı, ambar",
        "updated_at": "güncelleme tarihi, son güncelleme, güncellendi, değiştirilme tarihi, "
        "fiyat değişim tarihi",
        "outlet": "şube, şube adı, şube kodu | mağaza, mağaza adı, mağaza kodu, market",
    },
    in_stock="stokta, stokta var, var, mevcut, evet, e, doğru, stok var, satışta, sınırsız",
    limited_stock="az kaldı, son ürünler, sınırlı, sınırlı stok, az stok, kritik, kritik stok, "
    "tükenmek üzere, son birkaç ürün, sınırlı sayıda, düşük stok, az",
    out_of_stock="stokta yok, stokta değil, tükendi, yok, mevcut değil, stok yok, hayır, h, "
    "yanlış, temin edilemiyor, stok tükendi, bitti, ön sipariş, stok dışı, kalmadı, tükenmiş",
    yes="evet, e, doğru, aktif, etkin, açık, yayında, yayımlanmış, satışta, var",
    no="hayır, h, yanlış, pasif, kapalı, devre dışı, yayında değil, taslak, arşivlendi, "
    "aktif değil, etkin değil, satışta değil, yok, silindi",
    units="litre, lt, gram, kilo, kilogram",
    pieces="adet, ad, tane, parça",
)
