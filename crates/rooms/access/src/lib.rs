//! lacewing-access
