#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

void checkAdmission(const Manifest&, const Compat&, Diagnostics&);

// What the API server would refuse, before anything is started.
void checkAdmission(const Manifest& manifest, const Compat& compat, Diagnostics& diagnostics) {
    (void)manifest;
    (void)compat;
    (void)diagnostics;
}

} // namespace rdmalab::scenario
