"""French words."""

from __future__ import annotations

from marketsync_dagster.pos.headers.language import Language

FRENCH = Language(
    headers={
        "sku": "ugs, code sku | code article, code de l'article, code produit, code du produit, "
        "numéro article, numéro d'article, numéro de l'article, n° article, n° d'article, "
        "no article, num article, numéro de produit, référence article, référence de l'article, "
        "réf article, référence produit, référence du produit, réf produit, référence interne, "
        "réf interne, code interne | | référence, réf, code | id, id produit, id article, "
        "identifiant produit, identifiant article, identifiant",
        "parent_sku": "ugs parent, produit parent",
        "name": "nom, nom du produit, nom de produit, nom produit, nom de l'article, "
        "nom article, libellé, libellé article, libellé produit, libellé du produit, "
        "libellé de l'article, désignation, désignation article, désignation produit, "
        "désignation de l'article, intitulé, titre, dénomination | produit, produits | "
        "description produit, description du produit, description article, "
        "description de l'article | description | articles, libellé court, nom court",
        "brand": "marque, nom de marque, nom de la marque, marques",
        "category": "catégorie, catégories, catégorie de produit, catégorie produit | rayon, "
        "département | sous catégorie, famille, famille article, groupe, type de produit, "
        "sous famille, type",
        "size": "taille, contenance, contenu net, quantité nette, poids net, conditionnement, "
        "format | volume, contenu",
        "unit": "unité, unité de mesure, unité de vente, unité de base | | vendu par, "
        "mode de vente",
        "barcode": "code barre, code barres, code à barres, codes barres, codebarre, gencod, "
        "gencode | code ean, ean code | code upc",
        "price": "prix de vente, prix vente, pv, pv ttc, prix ttc, prix de vente ttc, "
        "prix vente ttc, prix tva incluse, prix tva comprise, prix consommateur, prix actuel, "
        "prix caisse, prix toutes taxes comprises, prix, tarif, prix public, prix public ttc, "
        "prix de détail, prix régulier, tarif régulier, prix normal, tarif ttc | "
        "| | pvc, prix de vente conseillé, prix conseillé, prix public conseillé",
        "promo_price": "prix promo, prix promotionnel, prix en promotion, prix de promotion, "
        "prix promotion, tarif promo, prix soldé, prix remisé, prix spécial, prix barré promo, "
        "prix réduit, prix promo ttc, tarif promotionnel | promo, promotion, solde",
        "unit_price": "prix unitaire*, prix au kilo*, prix au kg*, prix au litre*, prix au l, "
        "prix par unité*, prix à l'unité*, prix aux 100*, prix kg, prix litre, prix par kg*, "
        "prix par litre*, prix à l'unité de mesure*",
        "lowest_price": "prix le plus bas*, plus bas prix*",
        "anchor_price": "prix de référence*, prix référence*",
        "net_price": "prix ht*, pv ht*, prix de vente ht*, prix vente ht*, prix hors taxe*, "
        "prix hors taxes*, prix net, tarif ht*, prix hors tva*",
        "wholesale_price": "prix de gros*, prix grossiste*, prix gros",
        "cost": "coût, prix d'achat, prix achat, pa, pa ht, prix d'achat ht, prix de revient, "
        "coût unitaire, prix achat ht, coût d'achat",
        "weighed": "vendu au poids, vente au poids, au poids, pesable, article pesé, pesé, "
        "produit au poids, vrac",
        "inactive": "masqué, caché, bloqué, inactif, archivé, supprimé, obsolète",
        "currency": "devise, monnaie, code devise",
        "stock": "stock disponible, stock actuel, quantité en stock, qté en stock, qté stock, "
        "quantité stock, quantité disponible, qté disponible, stock réel, stock physique, "
        "stock total, stock magasin | inventaire, solde de stock | quantité, qté, qte, unités, "
        "nombre d'unités",
        "stock_status": "état du stock, état des stocks, statut du stock, statut de stock, "
        "statut stock, état stock | disponibilité | en stock, disponible",
        "tax_rate": "tva, taux de tva, taux tva, taxe, taux de taxe",
        "description": "description, description longue, détails, description courte",
        "image_url": "image, images, photo, url de l'image, url image",
        "active": "actif, active, activé | statut, état | publié, visible, en vente",
        "model": "modèle, numéro de modèle, n° de modèle, code modèle, référence modèle",
        "msrp": "pvc, prix de vente conseillé, prix conseillé, prix public conseillé",
        "tags": "étiquettes, mots clés",
        "manufacturer": "fabricant, producteur | fournisseur",
        "origin": "origine, pays d'origine, provenance",
        "warehouse": "entrepôt, dépôt, réserve",
        "updated_at": "mis à jour, date de mise à jour, dernière mise à jour, modifié, "
        "date de modification",
        "outlet": "succursale, point de vente | magasin, boutique, établissement",
    },
    in_stock="en stock, disponible, dispo, oui, o, vrai, disponibles, en magasin, illimité",
    limited_stock="stock faible, stock limité, faible, bientôt épuisé, dernières pièces, limité, "
    "derniers exemplaires, quantité limitée, plus que quelques, stock bas",
    out_of_stock="rupture, rupture de stock, en rupture, en rupture de stock, épuisé, épuisée, "
    "indisponible, hors stock, non disponible, pas en stock, plus disponible, non, faux, "
    "sur commande, en réapprovisionnement, précommande, victime de son succès, stock épuisé, "
    "en cours de réapprovisionnement, disponible sur commande",
    yes="oui, o, vrai, actif, activé, publié, visible, en vente",
    no="non, faux, inactif, inactive, désactivé, désactivée, masqué, brouillon, non publié, "
    "archivé, supprimé, non actif, caché",
    units="litre, litres, kilo, kilos, gramme, grammes",
    pieces="pièce, pièces, pce, pces, unité, unités",
)
