#include "harness/cli/machine_check.h"
#include "harness/cli/run_command.h"
#include "harness/cli/scenario_files.h"
#include "harness/cli/sysfs_command.h"
#include "harness/scenario/loader.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <iostream>

using namespace rdmalab;

namespace {

constexpr int badScenario = 2, badEnvironment = 3;

std::string pluginDirectory() {
    return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "plugins").string();
}

int check(const std::vector<std::string>& paths, bool schema) {
    if (schema) {
        std::cout << scenario::scenarioSchema().dump(2) << '\n';
        return 0;
    }
    bool bad = false;
    for (const auto& path : harness::scenarioFiles(paths)) {
        const auto loaded = scenario::loadScenario(path);
        for (const auto& problem : loaded.diagnostics)
            std::cout << problem.str() << '\n';
        if (loaded.scenario)
            std::cout << fmt::format("{}: ok, {} steps on {} nodes\n", path, loaded.scenario->steps.size(),
                                     loaded.scenario->nodes.size());
        bad = bad || !loaded.scenario;
    }
    return bad ? badScenario : 0;
}

int doctor() {
    const auto checks = harness::checkMachine(pluginDirectory());
    for (const auto& check : checks) {
        std::cout << fmt::format("{:<5} {:<38} {}\n", check.ok ? "ok" : check.needed ? "FAIL" : "-", check.what, check.detail);
        if (!check.ok && !check.remedy.empty())
            std::cout << fmt::format("      {:<38} {}\n", "", "-> " + check.remedy);
    }
    const auto reason = harness::netnsUnavailable(checks);
    std::cout << "\ntier model: available\n"
              << (reason.empty() ? "tier netns: available\n" : "tier netns: not available: " + reason + "\n")
              << "tier rxe:   not in this version\n";
    return reason.empty() ? 0 : badEnvironment;
}

void addMachineOptions(CLI::App& command, harness::MachineOptions& options) {
    command.add_option("--nic-model", options.nicModels, "file with a NIC model, as in the hardware catalogue")
        ->allow_extra_args(false);
    command.add_option("--numvfs", options.numVfs, "PCI=N: virtual functions of a PF")->allow_extra_args(false);
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Runs the RDMA plugin stack of Kubernetes without RDMA hardware.", "rdmalab"};
    app.require_subcommand(1);
    app.set_version_flag("--version", "rdmalab 0.1.0");

    harness::RunOptions run;
    run.pluginDirectory = pluginDirectory();
    auto* runCommand = app.add_subcommand("run", "play scenarios and judge their expectations");
    runCommand->add_option("scenario", run.paths, "scenario files, or folders of them")->required();
    runCommand->add_option("--tier", run.tier, "auto: the highest that scenario and machine allow; all: every one, and compare")
        ->check(CLI::IsMember({"auto", "all", "model", "netns"}))
        ->capture_default_str();
    runCommand->add_option("--report", run.reports, "junit=FILE, json=FILE")
        ->delimiter(',')
        ->allow_extra_args(false); // what follows is a scenario
    runCommand->add_flag("-v,--verbose", run.verbose, "show expectations that hold as well");

    std::vector<std::string> checkPaths;
    bool schema = false;
    auto* checkCommand = app.add_subcommand("check", "read scenarios and everything they name; start nothing");
    checkCommand->add_option("scenario", checkPaths, "scenario files, or folders of them");
    checkCommand->add_flag("--schema", schema, "print the language as JSON Schema");

    auto* doctorCommand = app.add_subcommand("doctor", "what this machine can do, and why not");

    const std::string machineHelp = "SCENARIO.yaml, SCENARIO.yaml:NODE or the name of a NIC model";
    auto* sysfsCommand = app.add_subcommand("sysfs", "the /sys of a machine, without starting anything");
    sysfsCommand->require_subcommand(1);
    harness::SysfsExportOptions sysfsExport;
    auto* exportCommand = sysfsCommand->add_subcommand("export", "write it as plain files");
    exportCommand->add_option("machine", sysfsExport.machine, machineHelp)->required();
    exportCommand->add_option("directory", sysfsExport.directory, "where to; made when it is not there")->required();
    exportCommand->add_flag("--force", sysfsExport.force, "also into a directory that is not empty");
    addMachineOptions(*exportCommand, sysfsExport.machineOptions);
    harness::SysfsDiffOptions sysfsDiff;
    auto* diffCommand = sysfsCommand->add_subcommand("diff", "compare two; exit code 1 when they differ");
    diffCommand->add_option("directory", sysfsDiff.directory, "an export, a copy of a real /sys, or /sys itself")->required();
    diffCommand->add_option("other", sysfsDiff.other, "another directory, or a machine: " + machineHelp)->required();
    diffCommand->add_option("--ignore", sysfsDiff.ignore, "pattern of a name at any depth, or of a path from the top")
        ->allow_extra_args(false);
    diffCommand->add_flag("--normalise", sysfsDiff.normalise,
                          "ignore what differs between two boots: statistics, counters, indexes");
    diffCommand->add_flag("--names-only", sysfsDiff.namesOnly, "do not compare what is in files");
    addMachineOptions(*diffCommand, sysfsDiff.machineOptions);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : badScenario;
    }
    try {
        if (*runCommand)
            return harness::runCommand(run);
        if (*checkCommand) {
            if (!schema && checkPaths.empty())
                throw harness::UsageError("check: name a scenario file or folder");
            return check(checkPaths, schema);
        }
        if (*doctorCommand)
            return doctor();
        if (*exportCommand)
            return harness::sysfsExport(sysfsExport, std::cout);
        if (*diffCommand)
            return harness::sysfsDiff(sysfsDiff, std::cout);
    } catch (const harness::UsageError& error) {
        std::cerr << "rdmalab: " << error.what() << '\n';
        return badScenario;
    } catch (const std::exception& error) {
        std::cerr << "rdmalab: " << error.what() << '\n';
        return badEnvironment;
    }
    return 0;
}
