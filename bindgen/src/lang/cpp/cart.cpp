// Each worker is the shopping cart of one customer. The values of these variables survive crashes.

#include "golem.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace api = exports::{{namespace_cpp}}::{{package_cpp}}::api;

namespace {

struct Item {
    std::string product_id;
    std::string name;
    float price;
    uint32_t quantity;
};

std::vector<Item> cart;
std::optional<golem::Promise> payment;

std::string text_of(wit::string const &text) { return {text.data(), text.size()}; }

auto find(std::string const &product_id) {
    return std::find_if(cart.begin(), cart.end(), [&](Item const &item) { return item.product_id == product_id; });
}

golem::Bucket orders() {
    auto bucket = golem::Bucket::open("orders");
    if (!bucket) std::abort();
    return std::move(*bucket);
}

} // namespace

void api::InitializeCart(wit::string user_id) {
    cart.clear();
    payment.reset();
    std::printf("a cart for %s\n", text_of(user_id).c_str());
    std::fflush(stdout);
}

void api::AddItem(ProductItem item) {
    auto known = find(text_of(item.product_id));
    if (known != cart.end()) known->quantity += item.quantity;
    else cart.push_back({text_of(item.product_id), text_of(item.name), item.price, item.quantity});
}

void api::RemoveItem(wit::string product_id) {
    auto known = find(text_of(product_id));
    if (known != cart.end()) cart.erase(known);
}

void api::UpdateItemQuantity(wit::string product_id, uint32_t quantity) {
    auto known = find(text_of(product_id));
    if (known == cart.end()) return;
    if (quantity == 0) cart.erase(known);
    else known->quantity = quantity;
}

wit::vector<api::ProductItem> api::GetCartContents() {
    auto items = wit::vector<ProductItem>::allocate(cart.size());
    for (size_t i = 0; i < cart.size(); i++) {
        auto const &[product_id, name, price, quantity] = cart[i];
        items.initialize(
            i, ProductItem{wit::string::from_view(product_id), wit::string::from_view(name), price, quantity});
    }
    return items;
}

std::expected<uint64_t, wit::string> api::RequestCheckout() {
    if (cart.empty()) return std::unexpected(wit::string::from_view("the cart is empty"));
    if (!payment) payment.emplace();
    return payment->id().oplog_idx;
}

api::CheckoutResult api::Checkout() {
    auto index = RequestCheckout();
    if (!index) return {CheckoutResult::Error{std::move(index.error())}};
    std::string answer = payment->await();
    payment.reset();
    if (answer != "approved") return {CheckoutResult::Error{wit::string::from_view("declined: " + answer)}};
    if (!orders().increment("placed", 1)) std::abort();
    cart.clear();
    auto order = "order-" + std::to_string(*index);
    return {CheckoutResult::Success{OrderConfirmation{wit::string::from_view(order)}}};
}

uint64_t api::OrdersPlaced() {
    auto placed = orders().get("placed");
    if (!placed) std::abort();
    return *placed ? std::strtoull((*placed)->c_str(), nullptr, 10) : 0;
}
