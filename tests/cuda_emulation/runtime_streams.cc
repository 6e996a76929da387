// CUDA's calls for streams, events and graphs.
#include <utility>

#include "cuda_emulation/card.h"

namespace emulation = octavo::cuda_emulation;
using emulation::card;
using emulation::lock;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const auto locked = lock();
  *stream = new CUstream_st;
  card().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const auto locked = lock();
  emulation::drain(stream);
  card().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  ++card().counts.synchronizations;
  emulation::drain(stream);
  emulation::check_guards();
  return card().sticky;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto locked = lock();
  return emulation::give(stream, [source = event->stream, ticket = event->ticket] {
    return source == nullptr ? cudaSuccess : emulation::run_until(source, ticket);
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  *event = {stream, stream->given};
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const auto locked = lock();
  ++card().counts.synchronizations;
  return event->stream == nullptr ? cudaSuccess
                                  : emulation::run_until(event->stream, event->ticket);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const auto locked = lock();
  if (stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->captured = new CUgraph_st;
  ++card().capturing;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto locked = lock();
  if (stream->captured == nullptr) return cudaErrorInvalidValue;
  *graph = std::exchange(stream->captured, nullptr);
  --card().capturing;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{graph->tasks};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const auto locked = lock();
  ++card().counts.graph_launches;
  return emulation::give(stream, [tasks = executable->tasks] {
    for (const emulation::Task& task : tasks) {
      if (const cudaError_t error = task(); error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
