"""Spanish words."""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

SPANISH = Language(
    headers={
        "sku": "código sku | código de artículo, código artículo, código del artículo, "
        "cód artículo, código de producto, código producto, código del producto, cód producto, "
        "cod prod, cod art, número de artículo, nº de artículo, n° artículo, nº artículo, "
        "referencia interna, código interno, clave de producto, clave del producto, "
        "clave de artículo | id producto, id de producto, id artículo, id del producto, "
        "referencia de producto, referencia producto, referencia artículo | código, cód, clave, "
        "referencia",
        "parent_sku": "sku padre, padre, producto padre, superior",
        "name": "nombre, nombre del producto, nombre de producto, nombre producto, "
        "nombre del artículo, nombre de artículo, nombre artículo, título, denominación | "
        "producto, productos, artículo, artículos | descripción del producto, "
        "descripción de producto, descripción producto, descripción del artículo, "
        "descripción de artículo, descripción artículo | descripción, descrip | nombre corto, "
        "mercancía",
        "brand": "marca, nombre de marca, marcas",
        "category": "categoría, categorías, categoría de producto, categoría del producto | "
        "departamento, depto, dpto, sección | subcategoría, familia, grupo, rubro, "
        "tipo de producto, línea, tipo, subfamilia",
        "size": "tamaño, contenido, contenido neto, cantidad neta, peso neto, formato, "
        "presentación | volumen | talla, medida",
        "unit": "unidad, unidad de medida, unidad medida, unidad de venta, ud medida, u medida | | "
        "se vende por, tipo de venta, forma de venta",
        "barcode": "código de barras, código barras, código barra, cód barras, cod barras, "
        "códigos de barras, código de barra, cod de barras | código ean, ean código | código upc",
        "price": "precio de venta, precio venta, precio de venta al público, pvp, precio pvp, "
        "pvp con iva, precio con iva, precio iva incluido, pvp iva incluido, precio final, "
        "precio de venta con iva, precio venta con iva, precio al público, precio público, "
        "precio con impuestos, precio actual, precio consumidor, precio al consumidor, precio, "
        "precios, precio normal, precio regular, precio minorista, precio al por menor, "
        "precio detal, precio menudeo | | | pvp recomendado, pvpr",
        "promo_price": "precio promoción, precio de promoción, precio promocional, "
        "precio oferta, precio de oferta, precio en oferta, precio rebajado, "
        "precio con descuento, precio especial, precio descuento, pvp oferta, precio promo | "
        "oferta, promoción, rebaja",
        "unit_price": "precio unitario, precio por unidad*, precio por kg*, precio por kilo*, "
        "precio por litro*, precio por l*, precio por 100*, precio kg, precio litro, "
        "precio kilo, precio unidad de medida, precio por medida*",
        "lowest_price": "precio más bajo*, precio mínimo 30*, precio mínimo de los*",
        "anchor_price": "precio de referencia*, precio referencia*",
        "net_price": "precio neto, precio sin iva*, pvp sin iva*, precio sin impuestos*, "
        "base imponible, precio antes de impuestos, precio de venta sin iva, precio venta sin iva",
        "wholesale_price": "precio mayorista*, precio al por mayor*, precio mayoreo*",
        "cost": "coste, costo, precio de coste, precio de costo, precio coste, precio costo, "
        "precio de compra, precio compra, costo unitario, coste unitario, último costo, "
        "costo promedio",
        "weighed": "vendido por peso, venta por peso, por peso, pesable, es pesable, a granel, "
        "granel",
        "inactive": "oculto, descontinuado, descatalogado, bloqueado, inactivo, archivado",
        "currency": "moneda, divisa, código de moneda",
        "stock": "existencias, existencia, stock actual, stock disponible, stock total, "
        "unidades en stock, cantidad en stock, cantidad disponible, existencias actuales, "
        "existencia actual, cantidad en existencia, stock físico, unidades disponibles | "
        "inventario, saldo | cantidad, cant, unidades, uds",
        "stock_status": "estado de stock, estado del stock, estado de existencias, estado stock, "
        "estado del inventario, estado de inventario | disponibilidad | en stock, disponible, "
        "hay existencias",
        "tax_rate": "iva, tipo de iva, impuesto, tasa de impuesto, porcentaje iva, tipo iva",
        "description": "descripción, descripción larga, detalles, descripción corta",
        "image_url": "imagen, imágenes, foto, url de imagen, url imagen",
        "active": "activo, activa, habilitado | estado, estatus | publicado, visible, "
        "disponible para la venta, disponibles para la venta, a la venta",
        "model": "modelo, número de modelo, nº de modelo, código de modelo",
        "msrp": "pvp recomendado, pvpr, precio recomendado, precio de lista, precio sugerido",
        "tags": "etiquetas",
        "manufacturer": "fabricante, productor | proveedor",
        "origin": "origen, país de origen, procedencia",
        "warehouse": "almacén, bodega, depósito",
        "updated_at": "actualizado, fecha de actualización, última actualización, modificado, "
        "fecha de modificación",
        "outlet": "sucursal, nombre de sucursal | tienda, local, establecimiento, punto de venta",
    },
    in_stock="en stock, disponible, en existencia, en existencias, hay existencias, hay, "
    "hay stock, con existencias, con stock, sí, s, verdadero, disponibles, ilimitado",
    limited_stock="pocas unidades, stock bajo, bajo stock, últimas unidades, limitado, "
    "stock limitado, pocas existencias, existencias limitadas, quedan pocas, quedan pocos, bajo",
    out_of_stock="agotado, agotada, agotados, sin stock, sin existencias, sin existencia, "
    "no disponible, fuera de stock, no hay, no hay existencias, falso, descatalogado, "
    "bajo pedido, en reserva, se puede reservar, agotado temporalmente, indisponible",
    yes="sí, s, verdadero, activo, activa, habilitado, publicado, visible, en venta",
    no="falso, inactivo, inactiva, deshabilitado, desactivado, oculto, borrador, baja, "
    "no activo, no publicado, archivado, de baja, no visible, descatalogado",
    units="litro, litros, kilo, kilos, gramo, gramos",
    pieces="pza, pzas, pieza, piezas, uds, ud, unidad, unidades, und",
)
