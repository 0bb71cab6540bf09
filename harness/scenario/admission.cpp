#include "harness/scenario/admission.h"

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/scenario.h"
#include "sim/cluster/spiderpool/admission.h"

#include <nlohmann/json.hpp>

namespace rdmalab::scenario {

namespace {

// "spec.ips[0]" -> "/spec/ips/0", as far as the object has it. Keys may hold dots: the longest that exists is meant.
std::string pointerOf(std::string_view path, const Json& object) {
    std::string pointer;
    const Json* at = &object;
    while (!path.empty()) {
        if (at->is_array()) {
            const auto close = path.find(']');
            if (path[0] != '[' || close == std::string_view::npos)
                break;
            const std::string index(path.substr(1, close - 1));
            if (index.empty() || index.size() > 9 || index.find_first_not_of("0123456789") != std::string::npos ||
                std::stoul(index) >= at->size())
                break;
            at = &(*at)[std::stoul(index)];
            pointer += '/' + index;
            path.remove_prefix(close + 1);
        } else if (at->is_object()) {
            const Json* next = nullptr;
            for (std::size_t length = path.size(); length > 0 && next == nullptr; --length) {
                const bool ends = length == path.size() || path[length] == '.' || path[length] == '[';
                if (const auto it = ends ? at->find(std::string(path.substr(0, length))) : at->end(); it != at->end()) {
                    next = &*it;
                    pointer += '/' + pointerToken(path.substr(0, length));
                    path.remove_prefix(length);
                }
            }
            if (next == nullptr)
                break;
            at = next;
        } else {
            break;
        }
        if (path.starts_with('.'))
            path.remove_prefix(1);
    }
    return pointer;
}

} // namespace

void checkAdmission(const Manifest& manifest, const Compat& compat, Diagnostics& diagnostics) {
    cluster::SpiderpoolProfile profile;
    try {
        profile = cluster::spiderpoolProfile(compat.spiderpool);
    } catch (const std::invalid_argument&) {
        return; // compat itself has been reported
    }
    const std::string what = manifest.kind + " '" + manifest.name + "'";
    for (const cluster::AdmissionProblem& problem : cluster::validateManifest(manifest.object.json(), profile)) {
        const Place place = manifest.object.placeOf(pointerOf(problem.jsonPath, manifest.object.json()));
        if (problem.pruned) {
            Diagnostic& d = diagnostics.warning(place, what + ": the API server drops " + problem.jsonPath + " without a word");
            d.hint = problem.message;
        } else {
            Diagnostic& d = diagnostics.error(place, "the API server would refuse " + what + ": " + problem.message);
            d.hint = "if this is meant, add expectRefusal: TEXT to the step";
        }
    }
}

} // namespace rdmalab::scenario
