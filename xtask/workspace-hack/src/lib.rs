//! Empty: this package exists for its manifest, which unifies the features of shared dependencies.
