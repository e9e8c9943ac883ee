//! lacewing-catalog
