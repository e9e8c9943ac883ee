//! lacewing-node
