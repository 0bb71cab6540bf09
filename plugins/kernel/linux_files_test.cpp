#include "plugins/kernel/linux_files.h"

#include "plugins/kernel/files_conformance.h"

#include <filesystem>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rdmalab::plugin {
namespace {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        char name[] = "/tmp/rdmalab-files-XXXXXX";
        if (::mkdtemp(name) == nullptr)
            throw SystemError("mkdtemp", errno);
        path_ = name;
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }
    void symlink(const std::string& below, const std::string& target) const {
        checked("symlink", ::symlink(target.c_str(), (path_ + below).c_str()));
    }

private:
    std::string path_;
};

class PlainWorld {
public:
    Files& files() { return files_; }
    std::string base() const { return directory_.path(); }
    void symlink(const std::string& path, const std::string& target) { directory_.symlink(path, target); }

private:
    TemporaryDirectory directory_;
    LinuxFiles files_;
};

class RootedWorld {
public:
    Files& files() { return files_; }
    std::string base() const { return ""; }
    void symlink(const std::string& path, const std::string& target) { directory_.symlink(path, target); }

private:
    TemporaryDirectory directory_;
    LinuxFiles files_{directory_.path()};
};

using LinuxFilesWorlds = testing::Types<PlainWorld, RootedWorld>;
INSTANTIATE_TYPED_TEST_SUITE_P(Linux, FilesConformance, LinuxFilesWorlds);

TEST(LinuxFilesRoot, NothingLeadsOutside) {
    const TemporaryDirectory outer;
    LinuxFiles whole;
    whole.makeDirectories(outer.path() + "/root/sub", 0755);
    whole.write(outer.path() + "/secret", "outside", 0644);
    whole.write(outer.path() + "/root/secret", "inside", 0644);
    LinuxFiles rooted(outer.path() + "/root");
    outer.symlink("/root/absolute", "/secret");
    outer.symlink("/root/sub/up", "../../../secret");
    EXPECT_EQ(rooted.read("/absolute"), "inside");
    EXPECT_EQ(rooted.read("/sub/up"), "inside");
    EXPECT_EQ(rooted.read("/../../secret"), "inside");
    rooted.write("/../new", "x", 0644);
    EXPECT_TRUE(whole.exists(outer.path() + "/root/new"));
    EXPECT_FALSE(whole.exists(outer.path() + "/new"));
    outer.symlink("/root/away", outer.path());
    EXPECT_FALSE(rooted.exists("/away/secret"));
    EXPECT_THROW(rooted.makeDirectories("/away/d", 0755), SystemError);
}

TEST(LinuxFilesRoot, AMissingRootIsRefused) {
    EXPECT_THROW(LinuxFiles("/no/such/directory"), SystemError);
}

TEST(LinuxFilesRoot, ModesDoNotDependOnTheUmask) {
    const TemporaryDirectory directory;
    LinuxFiles files(directory.path());
    const mode_t before = ::umask(0077);
    files.write("/f", "x", 0644);
    ::umask(before);
    EXPECT_EQ(files.status("/f").mode, 0644u);
}

TEST(LinuxFilesDevices, ShowTheirNumbers) {
    LinuxFiles files;
    const FileStatus null = files.status("/dev/null");
    EXPECT_EQ(null.kind, FileKind::characterDevice);
    EXPECT_EQ(null.deviceMajor, 1u);
    EXPECT_EQ(null.deviceMinor, 3u);
}

} // namespace
} // namespace rdmalab::plugin
