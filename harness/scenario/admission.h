#pragma once

namespace rdmalab::scenario {

struct Manifest;
struct Compat;
class Diagnostics;

// What admission would say about a manifest on its own, before anything is started: a refusal is an error, a field that would be
// dropped without a word a warning.
void checkAdmission(const Manifest& manifest, const Compat& compat, Diagnostics& diagnostics);

} // namespace rdmalab::scenario
