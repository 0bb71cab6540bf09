#include "harness/cli/machine_argument.h"

#include "harness/cli/scenario_files.h"
#include "harness/scenario/loader.h"
#include "harness/scenario/machine_spec.h"
#include "sim/hardware/hardware_error.h"
#include "sim/hardware/pci_address.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstring>
#include <filesystem>

namespace rdmalab::harness {
namespace {

namespace fs = std::filesystem;

bool isFile(const std::string& path) {
    std::error_code ignored;
    const auto status = fs::status(path, ignored);
    return fs::exists(status) && !fs::is_directory(status);
}

bool looksLikeScenario(const std::string& path) {
    return path.ends_with(".yaml") || path.ends_with(".yml");
}

struct Named {
    std::string file, node; // no file: a NIC model
};

Named parse(const std::string& argument) {
    if (isFile(argument))
        return {argument, ""};
    if (const auto colon = argument.rfind(':'); colon != std::string::npos && looksLikeScenario(argument.substr(0, colon)))
        return {argument.substr(0, colon), argument.substr(colon + 1)};
    return {looksLikeScenario(argument) ? argument : "", ""};
}

void addModels(hardware::Catalogue& catalogue, const std::vector<std::string>& files) {
    for (const std::string& file : files) {
        try {
            catalogue.loadFile(file);
        } catch (const hardware::HardwareError& error) {
            throw UsageError(error.what());
        } catch (const SystemError& error) {
            throw UsageError(fmt::format("the NIC model cannot be read: {}", error.what()));
        }
    }
}

hardware::MachineSpec nodeOf(const scenario::Scenario& scenario, const Named& named) {
    std::vector<std::string> names;
    for (const scenario::Node& node : scenario.nodes) {
        if (node.name == named.node || (named.node.empty() && scenario.nodes.size() == 1))
            return scenario::machineSpec(node);
        names.push_back(node.name);
    }
    const std::size_t all = names.size();
    names.resize(std::min<std::size_t>(all, 10));
    const std::string known = fmt::format("{}{}", fmt::join(names, ", "), all > names.size() ? ", ..." : "");
    if (named.node.empty())
        throw UsageError(
            fmt::format("{} has {} nodes, say which: {}:{}; there are {}", named.file, all, named.file, names.front(), known));
    throw UsageError(fmt::format("{} has no node '{}'; there are {}", named.file, named.node, known));
}

hardware::MachineSpec machineWith(const hardware::NicModel& model) {
    hardware::MachineSpec spec;
    spec.name = "machine";
    for (unsigned function = 0; function < model.ports; ++function) {
        hardware::NicSpec& nic = spec.nics.emplace_back();
        nic.model = model.name;
        nic.pci = fmt::format("0000:3b:00.{}", function);
    }
    return spec;
}

void makeVfs(hardware::Machine& machine, const std::string& wanted) {
    const auto equals = wanted.find('=');
    const auto pci = hardware::PciAddress::parse(wanted.substr(0, equals));
    unsigned count = 0;
    const std::string number = equals == std::string::npos ? "" : wanted.substr(equals + 1);
    const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (!pci || number.empty() || failed != std::errc() || end != number.data() + number.size())
        throw UsageError(fmt::format("--numvfs: '{}' is not of the form PCI=N, such as 0000:3b:00.0=4", wanted));
    try {
        machine.setNumVfs(*pci, count);
    } catch (const SystemError& error) {
        throw UsageError(fmt::format("--numvfs {}: the machine refuses: {} ({})", wanted, std::strerror(error.code()),
                                     ::strerrorname_np(error.code())));
    }
}

} // namespace

bool namesMachine(const std::string& argument) {
    std::error_code ignored;
    return !fs::is_directory(argument, ignored);
}

std::unique_ptr<hardware::Machine> machineFromArgument(const std::string& argument, const MachineOptions& options) {
    const Named named = parse(argument);
    std::unique_ptr<hardware::Machine> machine;
    try {
        if (named.file.empty()) {
            hardware::Catalogue catalogue = hardware::Catalogue::builtIn();
            addModels(catalogue, options.nicModels);
            machine = std::make_unique<hardware::Machine>(machineWith(*catalogue.model(argument, "MACHINE")), catalogue);
        } else {
            const auto loaded = scenario::loadScenario(named.file);
            if (!loaded.scenario) {
                std::string problems;
                for (const auto& problem : loaded.diagnostics)
                    problems += "\n" + problem.str();
                throw UsageError("the scenario is not sound:" + problems);
            }
            hardware::Catalogue catalogue = *loaded.scenario->catalogue;
            addModels(catalogue, options.nicModels);
            machine = std::make_unique<hardware::Machine>(nodeOf(*loaded.scenario, named), catalogue);
        }
    } catch (const hardware::HardwareError& error) {
        if (error.field() == "MACHINE")
            throw UsageError(
                fmt::format("'{}' is neither a scenario (NAME.yaml) nor a NIC model: {}", argument, error.message()));
        throw UsageError(fmt::format("{}: {}", argument, error.what()));
    }
    for (const std::string& wanted : options.numVfs)
        makeVfs(*machine, wanted);
    return machine;
}

} // namespace rdmalab::harness
