// CUDA's calls for the machine: errors, driver, devices.
#include <cstdio>

#include "cuda_emulation/card.h"

namespace emulation = octavo::cuda_emulation;
using emulation::card;
using emulation::lock;

const char* cudaGetErrorString(cudaError_t error) {
  const auto locked = lock();
  if (error != cudaSuccess && error == card().sticky) return card().failure.c_str();
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "unspecified error";
  }
}

cudaError_t cudaGetLastError() { return card().sticky; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = card().machine.driver;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const emulation::Machine& machine = card().machine;
  *count = machine.driver < 13000 ? 0 : machine.devices;
  if (machine.driver < 13000) return cudaErrorInsufficientDriver;
  return machine.devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const emulation::Machine& machine = card().machine;
  if (device >= machine.devices) return cudaErrorInvalidDevice;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated card");
  properties->totalGlobalMem = machine.memory;
  properties->sharedMemPerBlockOptin = 99 << 10;
  properties->major = machine.major;
  properties->minor = machine.minor;
  properties->multiProcessorCount = 4;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device < card().machine.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceSynchronize() {
  const auto locked = lock();
  ++card().counts.synchronizations;
  return emulation::drain_all();
}
