// A machine with two cards mounted in a mount namespace of the test's own, and shorthands to look at it.
#pragma once

#include "fakesysfs/fuse_mount.h"
#include "sim/hardware/live_machine.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

// A file's content, or "error N".
std::string contentOf(const std::string& path);
// Names in a directory without the dots; sorted. The descriptor is used from the start and stays open.
std::vector<std::string> namesOf(const std::string& path);
std::vector<std::string> namesOf(int directory);
// One write(2) of a text with a newline; 0 or errno of open or write.
int writeTo(const std::string& path, const std::string& text);
// In a child that is forked and calls nothing else.
std::vector<std::string> inAnotherProcess(const std::function<std::vector<std::string>()>& action);

class MountTest : public testing::Test {
public:
    const std::string pfAddress = "0000:10:00.0", vfAddress = "0000:10:00.2";

protected:
    MountTest();
    ~MountTest() override;
    void SetUp() override; // skips where nothing can be mounted

    void mount();
    void unmount() { mounted_.reset(); }
    std::unique_ptr<SysfsMount> anotherMount();
    const std::string& place() const { return mounted_ ? mounted_->mountPoint() : place_; }
    const std::string& scratch() const { return scratch_; }
    std::string pf() const { return place() + "/bus/pci/devices/" + pfAddress; }
    int write(const std::string& attribute, const std::string& text) { return writeTo(pf() + "/" + attribute, text); }
    void settle(); // see SysfsMount

    hardware::LiveMachine machine;
    FuseService service;

private:
    std::string scratch_, place_;
    int others_ = 0;
    std::unique_ptr<SysfsMount> mounted_;
};

} // namespace rdmalab::fakesysfs
