#include "plugins/kernel/file_lock.h"

#include "util/syscall.h"

#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

namespace rdmalab::plugin {
namespace {

using namespace std::chrono_literals;

class FileLockTest : public testing::Test {
protected:
    void SetUp() override { directory = mkdtemp(name); }
    void TearDown() override { std::filesystem::remove_all(directory); }
    std::string path() const { return directory + "/x.lock"; }
    char name[32] = "/tmp/rdmalab-lock-XXXXXX";
    std::string directory;
};

TEST_F(FileLockTest, IsMadeWithItsModeAndHeldByOne) {
    auto first = FileLock::acquire(path(), 0600, 0ms);
    ASSERT_TRUE(first);
    struct stat found {};
    ASSERT_EQ(::stat(path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0600u);
    EXPECT_FALSE(FileLock::acquire(path(), 0600, 0ms));
    first.reset();
    EXPECT_TRUE(FileLock::acquire(path(), 0600, 0ms));
}

TEST_F(FileLockTest, WaitsForTheOther) {
    auto first = FileLock::acquire(path(), 0600, 0ms);
    auto second = std::async(std::launch::async, [&] { return FileLock::acquire(path(), 0600, 60s).has_value(); });
    first.reset();
    EXPECT_TRUE(second.get());
}

TEST_F(FileLockTest, NeedsItsDirectory) {
    EXPECT_THROW(FileLock::acquire(directory + "/none/x.lock", 0600, 0ms), SystemError);
}

} // namespace
} // namespace rdmalab::plugin
