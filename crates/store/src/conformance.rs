//! What every engine must do. Each engine's tests call [`run`]; it panics where the contract is broken.
