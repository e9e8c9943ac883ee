//! lacewing-invoke
