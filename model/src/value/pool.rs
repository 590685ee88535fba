//! Shares equal types, so that a type costs memory once and not at each use.

use super::Type;
use std::collections::HashSet;
use std::sync::Arc;

/// The types seen so far.
#[derive(Debug, Default)]
pub struct TypePool {
    known: HashSet<Type>,
}

impl TypePool {
    /// An equal type whose parts are shared with all types that this pool returned before.
    ///
    /// Takes time in the number of uses of types in `ty` times its depth, because it compares by content.
    pub fn share(&mut self, ty: &Type) -> Type {
        if let Some(known) = self.known.get(ty) {
            return known.clone();
        }
        let shared = match ty {
            Type::List(inner) => Type::List(Arc::new(self.share(inner))),
            Type::Option(inner) => Type::Option(Arc::new(self.share(inner))),
            Type::Result { ok, err } => {
                let mut side = |ty: &Option<Arc<Type>>| ty.as_deref().map(|ty| Arc::new(self.share(ty)));
                Type::Result { ok: side(ok), err: side(err) }
            }
            Type::Tuple(types) => Type::Tuple(types.iter().map(|ty| self.share(ty)).collect()),
            Type::Record(fields) => {
                Type::Record(fields.iter().map(|(name, ty)| (name.clone(), self.share(ty))).collect())
            }
            Type::Variant(cases) => Type::Variant(
                cases.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(|ty| self.share(ty)))).collect(),
            ),
            Type::Enum(_) | Type::Flags(_) | Type::Handle(_) => ty.clone(),
            // The primitive types have no parts.
            primitive => return primitive.clone(),
        };
        self.known.insert(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_share_their_parts() {
        let point = || Type::Record([("x".to_owned(), Type::F64), ("y".to_owned(), Type::F64)].into());
        let line = Type::Tuple([point(), point()].into());
        let sides = Type::Result { ok: Some(Arc::new(line.clone())), err: Some(Arc::new(point())) };
        let mut pool = TypePool::default();
        let shared = pool.share(&sides);
        assert_eq!(shared, sides);
        let Type::Result { ok: Some(ok), err: Some(err) } = &shared else { panic!("{shared:?}") };
        let Type::Tuple(ends) = ok.as_ref() else { panic!("{ok:?}") };
        let fields = |ty: &Type| match ty {
            Type::Record(fields) => Arc::clone(fields),
            other => panic!("{other:?}"),
        };
        assert!(Arc::ptr_eq(&fields(&ends[0]), &fields(&ends[1])));
        assert!(Arc::ptr_eq(&fields(&ends[0]), &fields(err)));
        let Type::Tuple(again) = pool.share(&line) else { panic!("a tuple stays one") };
        assert!(Arc::ptr_eq(ends, &again));
    }
}
