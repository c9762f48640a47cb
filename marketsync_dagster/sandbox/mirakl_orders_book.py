"""Orders come into the marketplace: from a seed, from the control API, by the thousand; and what
somebody else than the seller does to them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from marketsync_dagster.sandbox import mirakl_orders_life as life
from marketsync_dagster.sandbox.accounts import Reader, SeedError
from marketsync_dagster.sandbox.mirakl_orders_seed import (
    Draft,
    address_from,
    amount_of,
    build,
    customer_from,
    draft_from,
    generated,
)
from marketsync_dagster.sandbox.mirakl_orders_state import (
    REFUNDED,
    SHIPPING,
    STATES,
    Order,
    OrderLine,
    Taken,
)

if TYPE_CHECKING:
    from marketsync_dagster.sandbox.world import World


def create(world: World, drafts: list[Draft], by: str, lag_s: float | None = None) -> list[Order]:
    """Take orders; offers have so much less."""
    state, now = world.mirakl, world.now()
    orders: list[Order] = []
    known = state.orders.orders
    sold: dict[int, Counter[str]] = {}
    for draft in drafts:
        order = build(state, draft, now)
        if order.order_id in known:
            raise SeedError(f"there is an order {order.order_id!r} already")
        orders.append(order)
        if draft.said["lower_stock"]:
            counted = sold.setdefault(order.shop_id, Counter())
            for line in order.lines:
                counted[line.offer_sku] += line.quantity
        wanted = draft.said["state"]
        if wanted != order.state:
            life.enter(world, order, wanted, order.created)
        for line, said in zip(order.lines, draft.lines, strict=True):
            line.state = said["state"] or line.state
        order.due = life.next_due(state.shops[order.shop_id], order)
        order.history.append((order.created, by, order.state))
        life.hide(world, order, lag_s)
    state.orders.add(orders)
    world.changes += 1
    for shop_id, counted in sold.items():
        _sell(world, shop_id, counted)
    return orders


def _sell(world: World, shop_id: int, counted: Counter[str]) -> None:
    """Let offers have less; never less than nothing."""
    state = world.mirakl
    for sku, pieces in counted.items():
        offer = state.offers[shop_id].get(sku)
        if offer is None or offer.quantity <= 0:
            continue
        left = max(0, offer.quantity - pieces)
        gone = offer.quantity - left
        for code in offer.warehouses:
            taken = min(gone, offer.warehouses[code])
            offer.warehouses[code] -= taken
            gone -= taken
        offer.fields["quantity"] = left
        offer.updated_at, offer.request = world.now(), 0
        state.changes[shop_id] += 1
        world.show_offer(shop_id, offer)


def drafts_of(world: World, entries: Any, place: str) -> list[Draft]:
    """Orders of a list, read; SeedError names what cannot be meant, and nothing is taken."""
    state = world.mirakl
    if not isinstance(entries, list):
        raise SeedError(f"{place}: a list was expected")

    def find(shop_id: int, sku: str) -> Any:
        return state.offers[shop_id].get(sku)

    drafts = [draft_from(e, f"{place}[{i}]", state.shops, find) for i, e in enumerate(entries)]
    given = [d.said["order_id"] for d in drafts if d.said["order_id"]]
    twice = [order_id for order_id, n in Counter(given).items() if n > 1]
    for order_id in [*twice, *(g for g in given if g in state.orders.orders)]:
        raise SeedError(f"{place}: there is an order {order_id!r} already")
    return drafts


def generate(world: World, document: Any) -> list[Order]:
    """Plausible orders by the thousand."""
    drafts, begins = generated(world.mirakl, document, world.now())
    orders = create(world, drafts, "generated")
    for order in orders:
        if order.state != begins:
            life.enter(world, order, begins, order.created)
            order.due = life.next_due(world.mirakl.shops[order.shop_id], order)
            world.mirakl.orders.watch(order)
    return orders


def move(world: World, shop_id: int, insert: int, early: int, change: int, cancel: int) -> None:
    """Let a list of orders move under whoever pages through it: `insert` new ones at its end,
    `early` ones created before all others, `change` of the oldest changed now, `cancel` of the
    oldest that can be canceled."""
    state, now = world.mirakl, world.now()
    if shop_id not in state.shops or not state.offers[shop_id]:
        return
    known = list(state.orders.by_shop.get(shop_id, ()))
    if insert:
        generate(world, {"shop_id": shop_id, "count": insert, "lines": 1, "prefix": "LATE"})
    if early:
        age = now - (known[0].created if known else now) + 60
        said = {"shop_id": shop_id, "count": early, "lines": 1, "prefix": "EARLY", "age_s": age}
        for order in generate(world, said):
            life.before(world, order)
            life.touch(world, order, now, "moved")
    for order in known[:change]:
        life.before(world, order)
        life.touch(world, order, now, "moved")
    open_ones = [order for order in known if life.can_cancel(world, order)]
    for order in open_ones[:cancel]:
        life.before(world, order)
        life.cancel(world, order, now, "34")
        life.touch(world, order, now, "customer")


# --- what others do to an order


def change(world: World, order: Order, document: Any) -> None:
    """Change an order as the customer or the operator would; SeedError for what cannot be meant,
    and then nothing is changed."""
    place, now = order.order_id, world.now()
    reader = Reader(document, place)
    todo: list[Any] = []
    cancel = reader.take("cancel", bool, False)
    state = reader.optional("state")
    reason = reader.optional("reason_code")
    quiet = reader.take("quiet", bool, False)
    for name in ("shipping_address", "billing_address"):
        if name in document:
            address = address_from(reader.take(name, object, None), f"{place}.{name}")
            todo.append((setattr, order, name, address))
    if "customer" in document:
        said = customer_from(reader.take("customer", dict, {}), f"{place}.customer")
        todo.append((order.customer.update, said))
    if "email" in document:
        todo.append((setattr, order, "email", reader.optional("email")))
    if "show_address" in document:
        todo.append((setattr, order, "show_address", reader.take("show_address", bool, True)))
    for index, entry in enumerate(reader.take("lines", list, [])):
        todo += _line_changes(order, entry, f"{place}.lines[{index}]", now)
    gone = reader.take("remove_lines", list, [])
    for line_id in gone:
        if order.line(str(line_id)) is None:
            raise SeedError(f"{place}.remove_lines: there is no line {line_id!r}")
    refund = reader.take("refund", dict, {})
    if refund:
        todo.append((_refund(world, order, refund, f"{place}.refund"),))
    reader.take("touch", bool, True)
    reader.finish()
    life.before(world, order)
    for call, *arguments in todo:
        call(*arguments)
    order.lines = [line for line in order.lines if line.line_id not in gone]
    if cancel:
        life.cancel(world, order, now, reason or "34")
    elif state is not None:
        order.reason = reason
        life.enter(world, order, state, now)
        if state in STATES:
            _go_back(order, state)
    life.touch(world, order, now, "control", quiet=quiet)


def _go_back(order: Order, state: str) -> None:
    """An order that goes back to an earlier state has not been through the later ones."""
    reached = STATES.index(state)
    if reached < STATES.index("WAITING_DEBIT"):
        order.accepted = order.decided = None
    if reached < STATES.index(SHIPPING):
        order.debited = order.ship_until = None
    if reached < STATES.index("SHIPPED"):
        order.shipped = None


def _line_changes(order: Order, entry: Any, place: str, now: float) -> list[Any]:
    reader = Reader(entry, place)
    line = order.line(reader.text("order_line_id"))
    if line is None:
        raise SeedError(f"{place}.order_line_id: there is no such line")
    todo: list[Any] = []
    if "quantity" in entry:
        todo.append((setattr, line, "quantity", reader.number("quantity", 1)))
    if "price" in entry:
        price = amount_of(reader.take("price", (int, str, float, object), None), f"{place}.price")
        todo.append((setattr, line, "unit_price", price))
    texts = [name for name in ("offer_sku", "title", "state") if name in entry]
    todo += [(setattr, line, name, reader.text(name)) for name in texts]
    reader.finish()
    return [*todo, (setattr, line, "updated", now)]


def _refund(world: World, order: Order, said: dict[str, Any], place: str) -> Any:
    reader = Reader(said, place)
    line = order.line(reader.text("order_line_id"))
    if line is None:
        raise SeedError(f"{place}.order_line_id: there is no such line")
    amount = amount_of(reader.take("amount", object, 0), f"{place}.amount")
    shipping = amount_of(reader.take("shipping", object, 0), f"{place}.shipping")
    reason, quantity = reader.text("reason_code", "15"), reader.number("quantity", 0) or 0
    reader.finish()
    return lambda: put_refund(world, line, amount, shipping, quantity, reason)


def put_refund(
    world: World, line: OrderLine, amount: Any, shipping: Any, quantity: int, reason: str
) -> None:
    """A refund of the operator: paid at once."""
    number = world.mirakl.orders.new_taken()
    group, now = world.mirakl.orders.group_of(number), world.now()
    line.refunds.append(
        Taken(number, group, amount, shipping, quantity, reason, now, state=REFUNDED)
    )
    line.updated = now
    life.settle_refunds(line)
