#pragma once

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::scenario {

struct LoadResult {
    std::optional<Scenario> scenario;    // absent when there is an error
    std::vector<Diagnostic> diagnostics; // all of them, warnings too
};

// Reads the scenario and every file it names; starts nothing. Never throws for what is in the files.
// Files are looked up from the scenario's folder and must stay below it.
LoadResult loadScenario(const std::string& path);

// The language as JSON Schema (draft 2020-12), made from the tables that the loader checks with.
Json scenarioSchema();

} // namespace rdmalab::scenario
