/** Takes a picture that is dropped on an element; it has the class `over` while one hovers there. */
export function dropped(take: (file: File) => void): (element: HTMLElement) => () => void {
  return (element) => {
    const hover = (event: Event): void => {
      event.preventDefault();
      element.classList.toggle('over', event.type === 'dragover');
    };
    const drop = (event: DragEvent): void => {
      hover(event);
      const file = event.dataTransfer?.files[0];
      if (file) take(file);
    };
    element.addEventListener('dragover', hover);
    element.addEventListener('dragleave', hover);
    element.addEventListener('drop', drop);
    return () => {
      element.removeEventListener('dragover', hover);
      element.removeEventListener('dragleave', hover);
      element.removeEventListener('drop', drop);
    };
  };
}
