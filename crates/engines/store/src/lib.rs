//! lacewing-store
