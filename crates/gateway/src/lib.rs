//! lacewing-gateway
