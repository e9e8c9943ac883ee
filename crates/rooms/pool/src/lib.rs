//! lacewing-pool
