#include "harness/scenario/loader.h"

#include "harness/scenario/language.h"
#include "harness/scenario/reading.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

namespace {

void readMetadata(const View& metadata, Scenario& scenario) {
    scenario.metadata.name = metadata["name"].text("");
    scenario.metadata.description = metadata["description"].text("");
    for (const View& label : metadata["labels"].entries())
        scenario.metadata.labels[label.key()] = label.text("");
    for (const View& annotation : metadata["annotations"].entries())
        scenario.metadata.annotations[annotation.key()] = annotation.text("");
    scenario.metadata.place = metadata ? metadata.keyPlace() : Place{scenario.file, 0, 0};
}

void read(const std::string& path, Scenario& scenario, Diagnostics& diagnostics) {
    std::string problem;
    const auto text = readRegularFile(path, problem);
    if (!text) {
        diagnostics.error({path, 0, 0}, "the scenario cannot be read: " + problem);
        return;
    }
    const auto documents = parseYaml(*text, path, diagnostics);
    if (documents.empty()) {
        if (!diagnostics.anyError())
            diagnostics.error({path, 0, 0}, "the file is empty").expected = "a scenario with apiVersion, kind, metadata and spec";
        return;
    }
    if (documents.size() > 1)
        diagnostics.error(documents[1]->place, "a scenario file holds one scenario").hint =
            "put the second one in a file of its own";
    const YamlNode& root = *documents.front();
    BadNodes bad;
    checkShape(root, scenarioShape(), "", diagnostics, bad);
    if (!root.isMap())
        return;
    const View view(root, bad);
    // Messages about the parts come in any order; they are sorted in the end.
    readMetadata(view["metadata"], scenario);
    const ScenarioFolder folder(path);
    Reading reading{diagnostics, folder, scenario};
    readCluster(view["spec"], reading);
    scenario.steps = readSteps(view["spec"]["steps"], reading);
}

} // namespace

LoadResult loadScenario(const std::string& path) {
    Scenario scenario;
    scenario.file = path;
    Diagnostics diagnostics(path);
    read(path, scenario, diagnostics);
    LoadResult result;
    result.diagnostics = diagnostics.sorted();
    if (!diagnostics.anyError())
        result.scenario = std::move(scenario);
    return result;
}

} // namespace rdmalab::scenario
