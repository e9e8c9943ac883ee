//! lacewing-testkit
