"""Each worker is the shopping cart of one customer. The values of these variables survive crashes."""

from typing import List, Optional

import wit_world.exports
from componentize_py_types import Err
from golem import Bucket, Promise
from wit_world.exports.api import (
    CheckoutResult,
    CheckoutResult_Error,
    CheckoutResult_Success,
    OrderConfirmation,
    ProductItem,
)

cart: List[ProductItem] = []
payment: Optional[Promise] = None


class Api(wit_world.exports.Api):
    def initialize_cart(self, user_id: str) -> None:
        global cart, payment
        cart, payment = [], None
        print("a cart for", user_id, flush=True)

    def add_item(self, item: ProductItem) -> None:
        for known in cart:
            if known.product_id == item.product_id:
                known.quantity += item.quantity
                return
        cart.append(item)

    def remove_item(self, product_id: str) -> None:
        global cart
        cart = [item for item in cart if item.product_id != product_id]

    def update_item_quantity(self, product_id: str, quantity: int) -> None:
        global cart
        for item in cart:
            if item.product_id == product_id:
                item.quantity = quantity
        cart = [item for item in cart if item.quantity > 0]

    def get_cart_contents(self) -> List[ProductItem]:
        return cart

    def request_checkout(self) -> int:
        global payment
        if not cart:
            raise Err("the cart is empty")
        if payment is None:
            payment = Promise()
        return payment.oplog_index

    def checkout(self) -> CheckoutResult:
        global cart, payment
        try:
            index = self.request_checkout()
        except Err as error:
            return CheckoutResult_Error(error.value)
        answer = payment.wait().decode("utf-8", "replace")
        payment = None
        if answer != "approved":
            return CheckoutResult_Error(f"declined: {answer}")
        Bucket("orders").increment("placed")
        cart = []
        return CheckoutResult_Success(OrderConfirmation(f"order-{index}"))

    def orders_placed(self) -> int:
        return int(Bucket("orders").get("placed") or b"0")
