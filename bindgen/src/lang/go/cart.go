// Each worker is the shopping cart of one customer. The values of these variables survive crashes.

package export_{{namespace_snake}}_{{package_snake}}_api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	wit "go.bytecodealliance.org/pkg/wit/types"
	"wit_component/golem"
	api "wit_component/{{namespace_snake}}_{{package_snake}}_api"
)

var (
	cart    []api.ProductItem
	payment *golem.Promise
)

func find(productId string) int {
	return slices.IndexFunc(cart, func(item api.ProductItem) bool { return item.ProductId == productId })
}

func InitializeCart(userId string) {
	cart, payment = nil, nil
	fmt.Println("a cart for", userId)
}

// Strings that are kept must be copied: the memory of a parameter belongs to the caller.
func AddItem(item api.ProductItem) {
	if known := find(item.ProductId); known >= 0 {
		cart[known].Quantity += item.Quantity
		return
	}
	item.ProductId, item.Name = strings.Clone(item.ProductId), strings.Clone(item.Name)
	cart = append(cart, item)
}

func RemoveItem(productId string) {
	cart = slices.DeleteFunc(cart, func(item api.ProductItem) bool { return item.ProductId == productId })
}

func UpdateItemQuantity(productId string, quantity uint32) {
	if known := find(productId); known >= 0 {
		cart[known].Quantity = quantity
	}
	cart = slices.DeleteFunc(cart, func(item api.ProductItem) bool { return item.Quantity == 0 })
}

func GetCartContents() []api.ProductItem {
	return slices.Clone(cart)
}

func RequestCheckout() wit.Result[uint64, string] {
	if len(cart) == 0 {
		return wit.Err[uint64, string]("the cart is empty")
	}
	if payment == nil {
		promise := golem.NewPromise()
		payment = &promise
	}
	return wit.Ok[uint64, string](payment.OplogIndex())
}

func Checkout() api.CheckoutResult {
	requested := RequestCheckout()
	if requested.IsErr() {
		return api.MakeCheckoutResultError(requested.Err())
	}
	answer := string(payment.Await())
	payment = nil
	if answer != "approved" {
		return api.MakeCheckoutResultError("declined: " + answer)
	}
	if _, err := orders().Increment("placed", 1); err != nil {
		panic(err)
	}
	cart = nil
	return api.MakeCheckoutResultSuccess(api.OrderConfirmation{OrderId: fmt.Sprintf("order-%d", requested.Ok())})
}

func OrdersPlaced() uint64 {
	text, found, err := orders().Get("placed")
	if err != nil {
		panic(err)
	}
	if !found {
		return 0
	}
	placed, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		panic(err)
	}
	return placed
}

func orders() *golem.Bucket {
	bucket, err := golem.OpenBucket("orders")
	if err != nil {
		panic(err)
	}
	return bucket
}
