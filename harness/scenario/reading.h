// How the parts of a scenario are made from the checked tree. Every function reports what is wrong and returns what it could
// make.
#pragma once

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/scenario_folder.h"
#include "harness/scenario/view.h"

#include <vector>

namespace rdmalab::scenario {

struct Reading {
    Diagnostics& diagnostics;
    const ScenarioFolder& folder;
    Scenario& scenario; // what has been made so far

    // For names of nodes in steps.
    void requireNode(const View& name) const;
};

void readCluster(const View& spec, Reading& reading);
std::vector<Step> readSteps(const View& steps, Reading& reading);
std::vector<Probe> readProbes(const View& probes, Reading& reading);

// Manifests of an apply or delete step: `files` with `env`, and inline `objects` when `inlineObjects`. `checked` = what the API
// server would refuse is an error.
std::vector<Manifest> readManifests(const View& step, bool inlineObjects, bool checked, Reading& reading);

// Shared by steps and probes.
PodSelector readPods(const View& at, const std::string& labelsKey, const std::string& podKey,
                     std::string_view nsDefault = "default");
TextExpectation readText(const View& clauses);
std::chrono::milliseconds readTimeout(const View& at);
// A partial object: operators checked, `kind` required.
PlacedJson readPartialObject(const View& at, Reading& reading);

} // namespace rdmalab::scenario
