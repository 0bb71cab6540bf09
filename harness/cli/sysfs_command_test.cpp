// `rdmalab sysfs`: what it writes and finds different; and as a user meets it.
#include "harness/cli/sysfs_command.h"

#include "harness/cli/scenario_files.h"
#include "harness/cli/tree_diff.h"
#include "harness/sandbox/child_process.h"
#include "harness/scenario/testing_folder.h"
#include "util/syscall.h"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rdmalab::harness {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* twoNodes = R"(apiVersion: rdmalab.io/v1alpha1
kind: Scenario
metadata: {name: two}
spec:
  nodes:
    - names: [n1]
      nics: [{model: ConnectX-6, pci: "0000:3b:00.0"}]
    - names: [n2]
      nics: [{model: ConnectX-7, pci: "0000:5e:00.0", totalVfs: 8}]
  steps:
    - assert: [{kind: Node, metadata: {name: n1}}]
)";

class Sysfs : public testing::Test {
protected:
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    std::string write(const std::string& name, const std::string& text) const { return folder_.write(name, text); }
    static std::string read(const std::string& file) {
        std::ostringstream text;
        text << std::ifstream(file).rdbuf();
        return text.str();
    }

    // Returns what was printed.
    static std::string exported(const std::string& machine, const std::string& directory, MachineOptions options = {},
                                bool force = false) {
        std::ostringstream out;
        EXPECT_EQ(sysfsExport({machine, directory, std::move(options), force}, out), 0);
        return out.str();
    }
    static std::string difference(const std::string& one, const std::string& other, bool differs,
                                  std::vector<std::string> ignore = {}, MachineOptions options = {}) {
        std::ostringstream out;
        SysfsDiffOptions wanted;
        wanted.directory = one;
        wanted.other = other;
        wanted.ignore = std::move(ignore);
        wanted.machineOptions = std::move(options);
        EXPECT_EQ(sysfsDiff(wanted, out), differs ? 1 : 0) << out.str();
        return out.str();
    }
    static std::string refused(const std::function<void()>& action) {
        try {
            action();
        } catch (const UsageError& error) {
            return error.what();
        }
        ADD_FAILURE() << "accepted";
        return "";
    }

    // Exports are thousands of small files, which take a disk's journal a second.
    struct InMemory {
        InMemory() {
            if (::access("/dev/shm", W_OK) == 0)
                ::setenv("TMPDIR", "/dev/shm", 1);
        }
    } inMemory_;
    scenario::TestingFolder folder_;
};

TEST_F(Sysfs, ExportOfAModelIsACardWithAllItsPorts) {
    EXPECT_THAT(exported("cx6", path("out")), AllOf(StartsWith(path("out") + ": "), HasSubstr(" directories, ")));
    EXPECT_EQ(read(path("out/bus/pci/devices/0000:3b:00.1/device")), "0x101b\n");
    EXPECT_EQ(read(path("out/bus/pci/devices/0000:3b:00.0/sriov_numvfs")), "0\n");
    EXPECT_TRUE(fs::is_symlink(path("out/class/infiniband/mlx5_1")));
}

TEST_F(Sysfs, ExportHasTheVfsThatAreAskedFor) {
    exported("ConnectX-6", path("out"), {{}, {"3b:00.1=3"}});
    EXPECT_EQ(read(path("out/bus/pci/devices/0000:3b:00.1/sriov_numvfs")), "3\n");
    EXPECT_TRUE(fs::exists(path("out/bus/pci/devices/0000:3b:00.1/virtfn2/vendor")));
    EXPECT_FALSE(fs::exists(path("out/bus/pci/devices/0000:3b:00.0/virtfn0")));
}

TEST_F(Sysfs, ExportOfANodeOfAScenario) {
    const std::string file = write("two.yaml", twoNodes);
    exported(file + ":n2", path("out"));
    EXPECT_EQ(read(path("out/bus/pci/devices/0000:5e:00.0/sriov_totalvfs")), "8\n");
    EXPECT_THAT(refused([&] { exported(file, path("other")); }), HasSubstr("has 2 nodes, say which: " + file + ":n1"));
    EXPECT_THAT(refused([&] { exported(file + ":n3", path("other")); }), HasSubstr("no node 'n3'; there are n1, n2"));
    EXPECT_FALSE(fs::exists(path("other")));
}

TEST_F(Sysfs, ExportLeavesADirectoryAloneThatIsNotEmpty) {
    const std::string mine = write("out/mine", "x");
    EXPECT_THAT(refused([&] { exported("cx6", path("out")); }), HasSubstr("is not empty"));
    EXPECT_FALSE(fs::exists(path("out/class")));
    exported("cx6", path("out"), {}, true);
    EXPECT_TRUE(fs::exists(path("out/class")));
    EXPECT_EQ(read(mine), "x");
    EXPECT_THAT(refused([&] { exported("cx6", mine); }), HasSubstr("is no directory"));
}

TEST_F(Sysfs, WrongMachinesAreExplained) {
    EXPECT_THAT(refused([&] { exported("ConectX-6", path("out")); }), HasSubstr("did you mean 'ConnectX-6'?"));
    EXPECT_THAT(refused([&] { exported("nowhere.yaml", path("out")); }),
                HasSubstr("nowhere.yaml: error: the scenario cannot be read"));
    EXPECT_THAT(refused([&] { exported("cx6", path("out"), {{}, {"3b:00.0"}}); }), HasSubstr("not of the form PCI=N"));
    EXPECT_THAT(refused([&] { exported("cx6", path("out"), {{}, {"3b:00.0=2x"}}); }), HasSubstr("not of the form PCI=N"));
    EXPECT_THAT(refused([&] { exported("cx6", path("out"), {{}, {"3b:00.0=200"}}); }), HasSubstr("(ERANGE)"));
    EXPECT_THAT(refused([&] { exported("cx6", path("out"), {{path("no.yaml")}, {}}); }), HasSubstr("no.yaml"));
    const std::string broken = write("broken.yaml", "name: Toy\npci: {vendor: 15b}\n");
    EXPECT_THAT(refused([&] { exported("Toy", path("out"), {{broken}, {}}); }), StartsWith(broken + ":2:15: 'vendor' must be"));
}

TEST_F(Sysfs, KnowsANicModelOfTheUser) {
    const std::string toy = write("toy.yaml", R"(name: Toy
pci: {vendor: 15b3, device: "beef", subsystemVendor: 15b3, subsystemDevice: "0001", class: "020000", revision: "00",
      functions: 1, link: {speed: 8.0 GT/s PCIe, width: 8}}
driver: toy
macPrefix: "02:00:00"
)");
    exported("Toy", path("out"), {{toy}, {}});
    EXPECT_EQ(read(path("out/bus/pci/devices/0000:3b:00.0/device")), "0xbeef\n");
}

TEST_F(Sysfs, AnExportIsTheMachine) {
    exported("cx6", path("out"));
    EXPECT_THAT(difference(path("out"), "cx6", false), StartsWith("same: "));
    exported("cx6", path("again"));
    EXPECT_THAT(difference(path("out"), path("again"), false), StartsWith("same: "));
}

TEST_F(Sysfs, DiffShowsWhatVfsChange) {
    exported("cx6", path("out"));
    const std::string text = difference(path("out"), "cx6", true, {}, {{}, {"3b:00.0=1"}});
    EXPECT_THAT(text, HasSubstr("+ bus/pci/devices/0000:3b:00.2: a link\n"));
    EXPECT_THAT(text, HasSubstr("/0000:3b:00.0/sriov_numvfs: text:\n    - 0\n    + 1\n"));
    EXPECT_THAT(text, HasSubstr("/0000:3b:00.0/config: binary: "));
    EXPECT_THAT(text, HasSubstr("\ndifferent: "));
}

// Each kind of difference, byte for byte.
TEST_F(Sysfs, DiffTellsEveryKindOfDifferenceInOrder) {
    for (const char* side : {"a", "b"}) {
        const std::string top = side;
        write(top + "/same", "x\n");
        write(top + "/dir/keep", "1\n");
        write(top + "/text", top == "a" ? "one\ntwo\nthree\n" : "one\n2\nthree\nfour\n");
        write(top + "/newline", top == "a" ? "x" : "x\n");
        write(top + "/binary", top == "a" ? std::string("\x15\xb3\0\1", 4) : std::string("\x15\xb3\0\2\3", 5));
        write(top + "/mode", "");
        ::chmod(path(top + "/mode").c_str(), top == "a" ? 0444 : 0644);
        fs::create_symlink(top == "a" ? "../x" : "../y", path(top + "/link"));
    }
    write("a/kind", "");
    fs::create_directory(path("b/kind"));
    write("a/gone/deep/file", "");
    write("b/dir/new", "");
    EXPECT_EQ(difference(path("a"), path("b"), true), "! binary: binary: 4 | 5 bytes, 2 differ, first at 0x3\n"
                                                      "    - 01\n"
                                                      "    + 02 03\n"
                                                      "+ dir/new: a file\n"
                                                      "- gone: a directory with 2 entries\n"
                                                      "! kind: a file | a directory\n"
                                                      "! link: link to ../x | ../y\n"
                                                      "! mode: mode 0444 | 0644\n"
                                                      "! newline: text: only the newline at the end\n"
                                                      "! text: text:\n"
                                                      "    - two\n"
                                                      "    + 2\n"
                                                      "    + four\n"
                                                      "different: 9 entries compared, 1 missing, 1 extra, 1 of another kind, "
                                                      "1 modes, 1 link targets, 3 contents\n");
    EXPECT_THAT(difference(path("a"), path("b"), true, {"binary", "/dir/*", "gone", "kind", "l*k", "mode", "newline"}),
                StartsWith("! text: text:"));
    EXPECT_THAT(difference(path("a"), path("b"), false, {"binary", "dir/*", "gone", "kind", "link", "mode", "newline", "t*"}),
                StartsWith("same: "));
}

TEST_F(Sysfs, DiffIgnoresNamesAtAnyDepthAndPathsFromTheTop) {
    write("a/x/statistics/rx", "1");
    write("b/x/statistics/rx", "2");
    difference(path("a"), path("b"), true, {"/statistics"});
    difference(path("a"), path("b"), true, {"*/rx"}); // '*' stops at '/'
    difference(path("a"), path("b"), false, {"statistics"});
    difference(path("a"), path("b"), false, {"x/*/rx"});
    std::ostringstream out;
    SysfsDiffOptions options;
    options.directory = path("a");
    options.other = path("b");
    options.normalise = true;
    EXPECT_EQ(sysfsDiff(options, out), 0);
    options.normalise = false;
    options.namesOnly = true;
    EXPECT_EQ(sysfsDiff(options, out), 0);
}

TEST_F(Sysfs, DiffDoesNotHangOnAPipeNorFollowLinks) {
    for (const char* side : {"a", "b"}) {
        fs::create_directory(path(side));
        ASSERT_EQ(::mkfifo(path(side + std::string("/pipe")).c_str(), 0600), 0);
        fs::create_symlink(".", path(side + std::string("/loop")));
    }
    EXPECT_EQ(difference(path("a"), path("b"), false), "same: 2 entries compared\n");
}

TEST_F(Sysfs, DiffPrintsNoControlCharacters) {
    fs::create_directory(path("b"));
    write("a/\x1b[2Jx", "");
    EXPECT_THAT(difference(path("a"), path("b"), true), StartsWith("- \\x1b[2Jx: a file\n"));
}

TEST_F(Sysfs, DiffRefusesOptionsThatHaveNoMachine) {
    fs::create_directory(path("a"));
    EXPECT_THAT(refused([&] { difference(path("a"), path("a"), false, {}, {{}, {"3b:00.0=1"}}); }), HasSubstr("is a directory"));
    EXPECT_THAT(refused([&] { difference(path("none"), path("a"), false); }), HasSubstr("none is no directory"));
}

class SysfsCommand : public Sysfs {
protected:
    static ProcessResult rdmalab(const std::vector<std::string>& args) {
        ProcessSpec process;
        process.argv = {RDMALAB_BINARY_DIR "/rdmalab", "sysfs"};
        process.argv.insert(process.argv.end(), args.begin(), args.end());
        process.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"ASAN_OPTIONS", "detect_leaks=0"}};
        return runProcess(process, {}, 120);
    }
};

TEST_F(SysfsCommand, ExportsAndCompares) {
    auto result = rdmalab({"export", "ConnectX-6", path("out"), "--numvfs", "0000:3b:00.0=2"});
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    EXPECT_THAT(result.output, StartsWith(path("out") + ": "));
    EXPECT_TRUE(fs::exists(path("out/bus/pci/devices/0000:3b:00.3")));
    result = rdmalab({"diff", path("out"), "ConnectX-6", "--numvfs", "0000:3b:00.0=2"});
    EXPECT_EQ(result.status.code, 0) << result.output << result.errors;
    result = rdmalab({"diff", path("out"), "ConnectX-6", "--ignore", "*"});
    EXPECT_EQ(result.status.code, 0) << result.output;
    result = rdmalab({"diff", path("out"), "ConnectX-6"});
    EXPECT_EQ(result.status.code, 1);
    EXPECT_THAT(result.output, HasSubstr("- bus/pci/devices/0000:3b:00.3: a link\n"));
}

TEST_F(SysfsCommand, SaysWhatIsWrong) {
    auto result = rdmalab({"export", "ConectX-6", path("out")});
    EXPECT_EQ(result.status.code, 2);
    EXPECT_THAT(result.errors, HasSubstr("did you mean 'ConnectX-6'?"));
    result = rdmalab({"export", "ConnectX-6", "/proc/nothing/here"});
    EXPECT_EQ(result.status.code, 3);
    EXPECT_THAT(result.errors, HasSubstr("/proc/nothing/here"));
    EXPECT_EQ(rdmalab({"diff", path("none"), "ConnectX-6"}).status.code, 2);
    EXPECT_EQ(rdmalab({}).status.code, 2);
}

} // namespace
} // namespace rdmalab::harness
