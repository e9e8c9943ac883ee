//! lacewing-ledger
