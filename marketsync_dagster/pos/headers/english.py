"""English words. Every canonical column is named here: its other languages may leave it out."""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

ENGLISH = Language(
    headers={
        "sku": "sku, skus, sku code, sku no, sku number, sku id, item sku, product sku, "
        "variant sku, pos sku, store sku, seller sku, merchant sku, stock keeping unit, "
        "custom sku, custom label, custom label sku | sku barcode, sku upc, sku code barcode, "
        "product code sku, "
        "item code, itemcode, product code, prod code, article code, stock code, material code, "
        "item no, item number, item num, product no, product number, article no, article number, "
        "material number, stock no, stock number, part no, part number, internal reference, "
        "internal code, default code, pos code, pos item code, store item code | product id, "
        "item id, article id, prod id, stock id, inventory id, item ref, product ref, "
        "product reference, item reference | plu, plu code, plu no, plu number, code, article, "
        "ref, reference | id",
        "parent_sku": "parent sku, parent, parent id, parent code, handle, url handle",
        "name": "name, product name, item name, article name, title, product title, item title, "
        "display name, customer facing name, name of product, name of item, goods name, "
        "menu item, menu item name, "
        "material name, stock name | product, products, item, items, name en, name english, "
        "english name, product name en, product name english, item name en, item name english | "
        "item description, product description, article description, item desc, product desc, "
        "stock description, material description | description, desc, description 1, desc 1, "
        "description en, english description | article, goods, short name, name ar, arabic name",
        "brand": "brand, brand name, brands, product brand | make",
        "category": "category, product category, item category, categories, category name, "
        "product categories | department, dept, department name, dept name | subcategory, "
        "sub category, group, product group, item group, group name, family, product family, "
        "product type, item type, product class, class, section, type",
        "size": "size, pack size, package size, net content, net contents, net quantity, "
        "net weight, net qty, size of pack, unit size, product size | volume, content, contents, "
        "packing, packaging | measure",
        "unit": "unit, uom, unit of measure, unit of measurement, sales unit, selling unit, "
        "sale unit, base unit, stock unit, stock uom, sales uom, base unit of measure, "
        "default unit of measure, unit of sale, units of measure, unit name | measure unit, "
        "measurement unit, price unit | sold by, sold as",
        "barcode": "barcode, bar code, barcodes, barcode no, barcode number, item barcode, "
        "product barcode, variant barcode, gtin upc ean or isbn, ean upc, upc ean, ean barcode | "
        "ean, ean13, ean 13, code bars, ean code, ean no, ean number, gtin, gtin13, gtin 13, "
        "gtin code | upc, upc code, upc a, universal product code, scan code, isbn",
        "price": "selling price, sell price, sellprice, unit selling price, price incl vat, "
        "price inc vat, price including vat, price with vat, price incl tax, price inc tax, "
        "price including tax, price with tax, price tax included, gross price, price gross, "
        "current price, selling price incl vat, selling price inc vat, selling price incl tax, "
        "selling price inc tax, retail price incl vat, retail price inc vat, "
        "retail price incl tax, retail price inc tax, consumer price, till price, shelf price, "
        "pos price, prices selling, price, prices, retail price, regular price, normal price, "
        "sales price, item price, product price, variant price, "
        "price retail, price regular, prices retail, prices regular, regular retail price, "
        "default price, standard rate, standard selling rate, selling rate | | sale price | "
        "rrp, srp, recommended retail price, suggested retail price",
        "promo_price": "promo price, special price, promotion price, promotional price, "
        "offer price, discount price, discounted price, price promo, price special, "
        "prices promo, prices special, price on promotion, special offer price, reduced price, "
        "price after discount | promo, special, offer | | | sale price",
        "promo_from": "promo from, promo start, promo start date, promotion from, promotion start, "
        "promotion start date, promotion starts, promo price from, special from, "
        "special price from, special price from date, special from date, special price start, "
        "special price start date, sale from, sale start, sale start date, sale starts, "
        "sale price from, sale price start, sale price start date, date sale price starts, "
        "date on sale from, offer from, offer start, offer start date, discount from, "
        "discount start, discount start date",
        "promo_to": "promo to, promo end, promo end date, promotion to, promotion until, "
        "promotion end, promotion end date, promotion ends, promo price to, promo until, "
        "special to, special price to, special price to date, special to date, "
        "special price end, special price end date, sale to, sale end, sale end date, sale ends, "
        "sale price to, sale price end, sale price end date, date sale price ends, "
        "date on sale to, offer to, offer until, offer end, offer end date, discount to, "
        "discount until, discount end, discount end date",
        "unit_price": "unit price, price per unit*, price per kg*, price per kilo*, "
        "price per l*, price per 100*, price per 1*, price per measure*, price per uom, "
        "price kg, price l, price 100g, price 100ml, unit price measure, unit of measure price, "
        "comparison price, base price per*, unit pricing*",
        "lowest_price": "lowest price*, lowest 30*, best price 30*, minimum price 30*, "
        "min price 30*, prior price*, previous lowest*",
        "anchor_price": "anchor price*, reference price*, frozen price*",
        "net_price": "net price, price net, price excl vat*, price ex vat*, "
        "price excluding vat*, price without vat, price excl tax*, price ex tax*, "
        "price excluding tax*, price without tax, price before tax, price before vat, "
        "price tax excluded, retail price ex tax, retail price excl tax, retail price ex vat, "
        "retail price excl vat, selling price excl vat, selling price ex vat, "
        "selling price excl tax, selling price ex tax",
        "wholesale_price": "wholesale price*, trade price*, bulk price*, distributor price*, "
        "dealer price*",
        "cost": "cost, cost price, purchase price, buying price, unit cost, cost per item, "
        "price cost, average cost, avg cost, last cost, supply price, supplier price, buy price, "
        "default unit cost, landed cost, cost of goods, item cost, purchase rate, valuation rate, "
        "default cost, average unit cost, last cost price",
        "weighed": "sold by weight, sell by weight, priced by weight, by weight, weighed, "
        "is weighed, weighted, is weighted, bis weighted, weighable, is weighable, weight item, "
        "weighed item, weighed y n, scale item, is scale, is scale item, scalable",
        "price_type": "price type, pricing type, pricing strategy, price method",
        "tax_included": "is tax inclusive price, is tax inclusive, tax inclusive, "
        "tax inclusive price, price is tax inclusive, price includes tax, prices include tax, "
        "includes tax, price includes vat, prices include vat, includes vat, price includes gst",
        "promo_window": "sale price effective date, special price effective date, "
        "promo price effective date, sale price dates, promotion period, promo period",
        "inactive": "hidden, is hidden, discontinued, is discontinued, blocked, is blocked, "
        "inactive, is inactive, archived, is archived, deleted, is deleted, disabled, "
        "is disabled, obsolete",
        "currency": "currency, currency code, curr, price currency",
        "stock": "stock, stock qty, stock quantity, stock on hand, stock level, stock balance, "
        "quantity on hand, qty on hand, on hand, on hand qty, on hand quantity, onhand, qoh, "
        "soh, quantity in stock, qty in stock, in stock qty, in stock quantity, units in stock, "
        "available quantity, available qty, quantity available, qty available, available stock, "
        "stock available, inventory quantity, inventory qty, variant inventory qty, "
        "closing stock, current stock, current quantity, current qty, physical stock, "
        "total stock, stock units | inventory, balance, closing balance, inventory level, "
        "inventory count, total qty, total quantity | qty, quantity, units, item count, "
        "stock count",
        "stock_status": "stock status, status of stock, stock state, inventory status | "
        "availability, availability status, available status | in stock, is in stock, instock, "
        "available, out of stock",
        "tax_rate": "tax rate, vat, vat rate, tax, vat percent, tax percent, vat code, tax code",
        "description": "description, long description, details, body html, short description, "
        "full description",
        "image_url": "image url, image, images, picture, photo, image src, image link, "
        "product image url",
        "option1_name": "option1 name",
        "option1_value": "option1 value",
        "option2_name": "option2 name",
        "option2_value": "option2 value",
        "option3_name": "option3 name",
        "option3_value": "option3 value",
        "active": "active, is active, enabled, is enabled, sellable, active flag | status, "
        "product status, item status | published, available for sale, visible",
        "model": "model, model number, model no, model code, model nr, product model, item model",
        "msrp": "msrp, mrp, maximum retail price, manufacturer suggested retail price, "
        "list price, rrp, srp, recommended retail price, suggested retail price, "
        "compare at price, variant compare at price",
        "tags": "tags, tag, labels",
        "manufacturer": "manufacturer, maker, producer, manufacturer name | supplier, vendor, "
        "supplier name, vendor name",
        "origin": "origin, country of origin, made in",
        "warehouse": "warehouse, store room",
        "updated_at": "updated at, updated, last updated, modified, modified at, last modified, "
        "changed at, price update date, update date, last update",
        "outlet": "outlet, branch, outlet name, branch name, outlet code, branch code, "
        "outlet id, branch id | store, location, shop, store name, shop name, store id, "
        "store code, store no, location name | site",
    },
    in_stock="in stock, instock, yes, y, 1, 1.0, true, available, ok, in, unlimited, plenty, "
    "in stock now, is in stock, stocked",
    limited_stock="limited stock, limited, low stock, low, few left, running low, "
    "limited quantity, limited availability, last items, last pieces, few, only few left, "
    "almost gone, critical",
    out_of_stock="out of stock, out, no, n, 0, 0.0, false, unavailable, not available, sold out, "
    "none, no stock, not in stock, nil, oos, on backorder, back order, backorder, backordered, "
    "pre order, preorder, on order, discontinued, empty, temporarily out of stock, "
    "temporarily unavailable, not stocked",
    yes="yes, y, 1, 1.0, true, t, ✓, ✔, ☑, active, enabled, on, published, visible, live, "
    "sellable, available, publish, for sale",
    no="no, n, 0, 0.0, -1, false, ✗, ✘, f, inactive, disabled, off, unpublished, archived, "
    "draft, hidden, not active, deleted, discontinued, deactivated, suspended, blocked, pending, "
    "private, not for sale, not available, unlisted",
    units="kg, kgs, g, gr, gram, grams, mg, l, lt, ltr, litre, litres, liter, liters, ml, cl, "
    "dl, oz, lb, lbs, m, cm, mm",
    pieces="pc, pcs, piece, pieces, unit, units, ea, each, items",
)
