//! A template for tests.

use golem_model::template::{Export, Function, Functions, Param};
use golem_model::{TemplateId, Type};
use std::sync::Arc;

/// Its id.
pub(crate) const TEMPLATE: &str = "22222222-2222-2222-2222-222222222222";

fn function(name: &str, params: &[(&str, Type)], result: Option<Type>) -> Function {
    let params = params.iter().map(|(name, ty)| Param { name: (*name).to_owned(), ty: ty.clone() });
    Function { name: name.to_owned(), params: params.collect(), result }
}

/// The functions of the template.
pub(crate) fn functions(template: TemplateId) -> Option<Arc<Functions>> {
    let item = Type::Record([("name".to_owned(), Type::String), ("price".to_owned(), Type::F64)].into());
    let error = Type::Variant(
        [("item-not-found".to_owned(), Some(Type::String)), ("broken".to_owned(), None)].into(),
    );
    let outcome = Type::Result { ok: Some(Arc::new(Type::U32)), err: Some(Arc::new(error)) };
    let api = Export::Interface {
        name: "shop:cart/api".to_owned(),
        functions: vec![
            function("get", &[], Some(Type::List(Arc::new(item.clone())))),
            function("get-item", &[("index", Type::U32)], Some(Type::Option(Arc::new(item.clone())))),
            function("add", &[("item", item), ("note", Type::Option(Arc::new(Type::String)))], Some(outcome)),
            function("open", &[], Some(Type::Handle("cart".to_owned()))),
        ],
    };
    let exports = [api, Export::Function(function("reset", &[], None))];
    (template.to_string() == TEMPLATE).then(|| Arc::new(Functions::new(&exports)))
}
