#include "harness/cli/sysfs_command.h"

#include "fakesysfs/export.h"
#include "harness/cli/scenario_files.h"
#include "harness/cli/tree_diff.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <filesystem>

namespace rdmalab::harness {
namespace {

namespace fs = std::filesystem;

void requireEmpty(const std::string& directory) {
    std::error_code failure;
    const auto status = fs::status(directory, failure);
    if (!fs::exists(status))
        return;
    if (!fs::is_directory(status))
        throw UsageError(directory + " is no directory");
    const bool empty = fs::is_empty(directory, failure);
    if (failure)
        throw SystemError("read " + directory, failure.value());
    if (!empty)
        throw UsageError(directory + " is not empty; --force writes into it all the same, and leaves what else is there");
}

} // namespace

int sysfsExport(const SysfsExportOptions& options, std::ostream& out) {
    const auto machine = machineFromArgument(options.machine, options.machineOptions);
    if (!options.force)
        requireEmpty(options.directory);
    const fakesysfs::Tree tree(static_cast<const hardware::Machine&>(*machine), fakesysfs::View());
    const auto done = fakesysfs::exportTree(tree, options.directory);
    out << fmt::format("{}: {} directories, {} files, {} links", options.directory, done.directories, done.files, done.links);
    if (done.leftOut != 0)
        out << fmt::format("; {} files left out that cannot be read", done.leftOut);
    out << '\n';
    return 0;
}

int sysfsDiff(const SysfsDiffOptions& options, std::ostream& out) {
    if (namesMachine(options.directory))
        throw UsageError(options.directory + " is no directory");
    DiffOptions how;
    how.ignore = options.ignore;
    how.values = !options.namesOnly;
    if (options.normalise)
        how.ignore.insert(how.ignore.end(), volatileNames().begin(), volatileNames().end());
    const auto one = directorySource(options.directory);
    DiffResult result;
    if (namesMachine(options.other)) {
        const auto machine = machineFromArgument(options.other, options.machineOptions);
        const fakesysfs::Tree tree(static_cast<const hardware::Machine&>(*machine), fakesysfs::View());
        result = diffTrees(*one, *treeSource(tree), how);
    } else {
        if (!options.machineOptions.numVfs.empty() || !options.machineOptions.nicModels.empty())
            throw UsageError("--numvfs and --nic-model are about a MACHINE, and " + options.other + " is a directory");
        result = diffTrees(*one, *directorySource(options.other), how);
    }
    printDiff(result, out);
    return result.differences.empty() ? 0 : 1;
}

} // namespace rdmalab::harness
