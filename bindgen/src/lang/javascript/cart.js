// Each worker is the shopping cart of one customer. The values of these variables survive crashes.

import { Bucket, Promised, decode } from "../gen/golem.js";

let cart = [];
let payment = null;

function requestCheckout() {
  if (cart.length === 0) throw "the cart is empty";
  payment ??= new Promised();
  return payment.oplogIndex;
}

export const api = {
  initializeCart(userId) {
    cart = [];
    payment = null;
    console.log(`a cart for ${userId}`);
  },

  addItem(item) {
    const known = cart.find((each) => each.productId === item.productId);
    if (known) known.quantity += item.quantity;
    else cart.push(item);
  },

  removeItem(productId) {
    cart = cart.filter((item) => item.productId !== productId);
  },

  updateItemQuantity(productId, quantity) {
    const known = cart.find((item) => item.productId === productId);
    if (known) known.quantity = quantity;
    cart = cart.filter((item) => item.quantity > 0);
  },

  getCartContents() {
    return cart;
  },

  requestCheckout,

  checkout() {
    let index;
    try {
      index = requestCheckout();
    } catch (reason) {
      return { tag: "error", val: reason };
    }
    const answer = decode(payment.wait());
    payment = null;
    if (answer !== "approved") return { tag: "error", val: `declined: ${answer}` };
    new Bucket("orders").increment("placed");
    cart = [];
    return { tag: "success", val: { orderId: `order-${index}` } };
  },

  ordersPlaced() {
    const placed = new Bucket("orders").get("placed");
    return placed === undefined ? 0n : BigInt(decode(placed));
  },
};
